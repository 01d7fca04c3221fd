"""The pattern of a key: waves of a band of spatial frequencies, each with a phase of its own.

Frequencies are counted in cycles over the shorter side of the picture, so a mark keeps them when
a video is scaled. Each wave is used by the pilot, which is always the same, or by one sign of the
code word: the parts of the pattern are orthogonal.
"""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np

from s2vkit_watermark.code import LENGTH, codewords

LOWEST, HIGHEST = 2, 7  # cycles over the shorter side
CARRIER = 3.125  # Hz: faster than heads move, slow enough for a codec to keep; 8 frames at 25 a second
_PILOT_SHARE = 1 / 3  # of the waves
PILOT = -1


class Pattern:
    """The waves of a key, all of one amplitude."""

    def __init__(self, key: str) -> None:
        axis = np.arange(-HIGHEST, HIGHEST + 1)
        fy, fx = np.meshgrid(axis, axis, indexing="ij")
        radius = np.hypot(fy, fx)
        self.band = (radius >= LOWEST) & (radius <= HIGHEST)  # of the (15, 15) frequencies
        self.fy, self.fx = fy[self.band], fx[self.band]
        self.count = int(self.band.sum())
        random = np.random.Generator(np.random.PCG64(_seed(key)))
        self.phases = np.exp(2j * np.pi * random.random(self.count))
        self.use = np.full(self.count, PILOT)  # PILOT, or the number of the sign carried
        carrying = random.permutation(self.count)[round(self.count * _PILOT_SHARE) :]
        self.use[carrying] = np.arange(len(carrying)) % LENGTH

    @cached_property
    def pilot(self) -> np.ndarray:
        """Say which waves are the pilot's."""
        return self.use == PILOT

    def draw(self, payload: int, height: int, width: int) -> np.ndarray:
        """Draw the complex pattern of a payload, of mean square 1: complex64 (H, W)."""
        signs = np.where(self.pilot, 1.0, codewords()[payload][self.use])
        spectrum = np.zeros(self.band.shape, complex)
        spectrum[self.band] = self.phases * signs
        side = min(height, width)
        rows, columns = _waves(height, side), _waves(width, side)
        drawn = rows @ spectrum @ columns.T
        return (drawn / np.sqrt(np.square(np.abs(drawn)).mean())).astype(np.complex64)

    def spectrum(self, picture: np.ndarray, period: float) -> np.ndarray:
        """Measure a complex picture (h, w) at the waves' frequencies, `period` pixels being 1 cycle: (M,)."""
        height, width = picture.shape
        rows, columns = _waves(height, period).conj(), _waves(width, period).conj()
        return (rows.T @ picture @ columns)[self.band]


def _waves(length: int, period: float) -> np.ndarray:
    axis = np.arange(-HIGHEST, HIGHEST + 1)
    return np.exp(2j * np.pi * np.outer((np.arange(length) + 0.5) / period, axis))


def _seed(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest(), "big")
