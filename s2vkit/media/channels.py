"""From a track's channels to one voice: those that speak, none cancelled by another."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

_KINDS = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
_SCALES = {"u1": 1 / 128, "i2": 1 / 2**15, "i4": 1 / 2**31, "i8": 1 / 2**63}
_WIDE = {"i4": np.float64, "i8": np.float64, "f4": np.float64, "f8": np.float64}  # to sum in
_SPEAKS = 10 ** (-40 / 20)  # of full scale; a track as loud is not silent beside others
_FAINT = 10 ** (-20 / 10)  # of the loudest channel's power; below it a channel does not speak
_OPPOSED = -0.5  # correlation below which two channels cancel each other
_ALIKE = 0.9  # correlation above which channels hold the same
_SOON, _LATE = 2.0, 300.0  # s of audible sound that tell enough: of like channels, and of any


def mono(frame: av.AudioFrame, weights: np.ndarray | None = None) -> np.ndarray:
    """Mix the channels of a frame of any sample format: float32 (S,), full scale at 1.

    Without weights (C,), or where they are of another number of channels: their mean.
    """
    data, kind = _channels(frame)
    if weights is None or len(weights) != len(data):
        weights = np.full(len(data), 1 / len(data))
    used = [(samples, weight) for samples, weight in zip(data, weights.tolist(), strict=True) if weight]
    wide = _WIDE.get(kind, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # reported as infinite
        total: NDArray[Any] = used[0][0].astype(wide)
        if all(weight == used[0][1] for _, weight in used):
            for samples, _ in used[1:]:
                total += samples
            scale = used[0][1]
        else:
            total *= used[0][1]
            for samples, weight in used[1:]:
                total += samples.astype(wide) * np.asarray(weight, wide)
            scale = 1.0
        if kind == "u1":
            total -= 128 * sum(weight for _, weight in used) / scale
        total *= _SCALES.get(kind, 1.0) * scale
        return np.asarray(total, np.float32)


def _channels(frame: av.AudioFrame) -> tuple[list[np.ndarray], str]:
    kind = _KINDS[frame.format.name.rstrip("p")]
    count = len(frame.layout.channels)
    if frame.format.is_planar:  # without to_ndarray, which takes as long as decoding does
        return [np.frombuffer(memoryview(plane), kind, frame.samples) for plane in frame.planes], kind
    packed = np.frombuffer(memoryview(frame.planes[0]), kind, frame.samples * count)
    return list(packed.reshape(-1, count).T), kind


class Levels:
    """How loud the channels of a track are, and how alike, as far as it was read."""

    def __init__(self, stream: AudioStream) -> None:
        self.names = [channel.name for channel in stream.codec_context.layout.channels]
        self.layout = stream.codec_context.layout.name
        self.peak = 0.0  # of the loudest channel, half its range
        self._audible, self._count = 0.0, 0
        self._sums = np.zeros(len(self.names))
        self._products = np.zeros((len(self.names), len(self.names)))

    def take(self, frame: av.AudioFrame) -> None:
        """Take a decoded frame in; what is not finite, or of other channels, tells nothing."""
        data, kind = _channels(frame)
        if len(data) != len(self.names) or not frame.samples:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            block = np.stack(data).astype(np.float64) * _SCALES.get(kind, 1.0)
            if not np.isfinite(block).all() or np.abs(block).max() > 1e6:
                return
        peak = float(np.ptp(block, axis=1).max()) / 2
        self.peak = max(self.peak, peak)
        self._audible += frame.samples / max(1, frame.sample_rate) if peak >= _SPEAKS else 0.0
        self._count += frame.samples
        self._sums += block.sum(axis=1)
        self._products += block @ block.T

    @property
    def covariance(self) -> np.ndarray:
        """Covariance (C, C) of the channels."""
        mean = self._sums / max(1, self._count)
        return np.asarray(self._products / max(1, self._count) - np.outer(mean, mean))

    @property
    def is_clear(self) -> bool:
        """Whether reading on would tell nothing new."""
        if self._audible < _SOON:
            return False
        if len(self.names) < 2 or self._audible >= _LATE:
            return True
        return bool(correlation(self.covariance).min() > _ALIKE)


def correlation(covariance: np.ndarray) -> np.ndarray:
    """Turn a covariance (C, C) into correlations; a still channel goes with no other."""
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0))
    scale = np.outer(deviations, deviations)
    found: np.ndarray = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-12)
    return found


def mixing(levels: Levels) -> tuple[np.ndarray | None, str]:
    """Weigh a track's channels (None: their mean), and say what is not plain.

    Films have speech in the centre; else the channels that are about as loud as the loudest
    are averaged, those that are out of phase turned round.
    """
    covariance, names = levels.covariance, levels.names
    powers = np.diag(covariance)
    if len(names) < 2 or powers.max() <= 0:
        return None, ""
    heard = [i for i, power in enumerate(powers) if power >= _FAINT * powers.max()]
    if "FC" in names and names.index("FC") in heard:
        weights = np.eye(len(names))[names.index("FC")]
        return weights, f"the centre channel of {levels.layout} sound is taken"
    heard = [i for i in heard if len(names) < 3 or not names[i].startswith("LFE")] or heard
    loudest = max(heard, key=lambda i: powers[i])
    opposed = correlation(covariance)[loudest] < _OPPOSED
    weights = np.zeros(len(names))
    weights[heard] = np.where(opposed[heard], -1, 1) / len(heard)
    if opposed[heard].any():
        return weights, "its channels are out of phase and would cancel each other; one side is turned round"
    if len(heard) == len(names):
        return None, ""
    which = ", ".join(str(i + 1) for i in heard)
    return weights, f"of {len(names)} channels only number {which} speaks; it is taken"
