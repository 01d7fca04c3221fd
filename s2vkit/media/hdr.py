"""High dynamic range: PQ and HLG pictures of BT.2100 brought to BT.709.

FFmpeg's own tone mapping asks for linear light, which the wheel's FFmpeg has no filter to make.
"""

from __future__ import annotations

from functools import cache

import av
import numpy as np
from numpy.typing import NDArray

_TRANSFERS = {16: "PQ", 18: "HLG"}  # SMPTE ST 2084 and ARIB STD-B67, by their numbers in H.273
_PEAK = 1000.0  # cd/m2 of the display that footage is graded for
_WHITE = 203.0  # cd/m2 of diffuse white (BT.2408), which becomes the white of BT.709
_M1, _M2 = 2610 / 16384, 2523 / 32
_C1, _C2, _C3 = 3424 / 4096, 2413 / 128, 2392 / 128
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
"""From linear light in the primaries of BT.2020 to those of BT.709 (BT.2087)."""
_GAMMA = 2.4  # of a BT.1886 display

Array = NDArray[np.float32]


def transfer_of(frame: av.VideoFrame) -> str:
    """Return 'PQ' or 'HLG' for a frame of high dynamic range, else ''."""
    return _TRANSFERS.get(int(frame.color_trc), "")


def to_bt709(picture: NDArray[np.uint16], transfer: str) -> NDArray[np.uint8]:
    """Bring encoded RGB (H, W, 3) of BT.2100 to BT.709: uint8.

    Up to about half of the reference white's luminance nothing but the colour space changes; what is
    brighter is compressed as BT.2390 has it, by the largest of the three components, which keeps hues.
    """
    light = _display_light(transfer)[picture]
    largest = light.max(-1, keepdims=True)
    light *= np.interp(largest, *_gains()).astype(np.float32)
    linear = np.clip(light / _WHITE @ _TO_709.T, 0.0, 1.0)
    return np.rint(255 * linear ** (1 / _GAMMA)).astype(np.uint8)


@cache
def _display_light(transfer: str) -> Array:
    """Tabulate the light of a display, in cd/m2, over all 16-bit codes."""
    codes = np.arange(65536) / 65535
    if transfer == "PQ":
        return np.minimum(_from_pq(codes), _PEAK).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12)
    return (_PEAK * scene**1.2).astype(np.float32)  # the system gamma, of each component here


@cache
def _gains() -> tuple[Array, Array]:
    """Tabulate by what factor light is multiplied, over its cd/m2: the EETF of BT.2390."""
    light = np.concatenate([[0.0], np.geomspace(0.01, _PEAK, 512)])
    top = _to_pq(np.array(_PEAK))
    level, most = _to_pq(light) / top, _to_pq(np.array(_WHITE)) / top
    knee = 1.5 * most - 0.5
    t = np.clip((level - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 - 2 * t) * t**2 * most
    mapped = _from_pq(np.where(level < knee, level, spline) * top)
    return light.astype(np.float32), (mapped / np.maximum(light, 1e-6)).clip(0, 1).astype(np.float32)


def _from_pq(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    power = codes ** (1 / _M2)
    return 10000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def _to_pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    power = (light / 10000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
