"""Voice activity by energy: where there is speech in a recording, and how loud it is there.

The power of each 10 ms is taken in the telephone band, where speech of every recording has its
vowels and where hum and rumble have little.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

RATE = 100.0  # decisions a second
BAND = (300.0, 3400.0)  # Hz
_WINDOW = 0.025  # s of each power
_SMOOTH = 15  # decisions over which the loudest speech is found: no click is that long
_BELOW = 30.0  # dB under the loudest speech at which there is none
_SHARE = 0.4  # of the way from the noise floor to the loudest speech
_BEFORE, _AFTER = 10, 20  # decisions by which speech is widened: weak onsets and ends
_FLOOR = 1e-10  # power of digital silence
_BLOCK = 4096  # windows transformed at once


class BandPower:
    """Measures the power of speech that comes in pieces, every 10 ms, in the telephone band.

    Decision t is of the 25 ms around sample (t + 0.5) * hop; at the ends there is silence.
    """

    def __init__(self, sample_rate: int) -> None:
        self.hop, self.width = round(sample_rate / RATE), round(sample_rate * _WINDOW)
        self._kept = np.zeros((self.width - self.hop) // 2, np.float32)
        self._taper = np.hanning(self.width).astype(np.float32)
        hertz = np.fft.rfftfreq(self.width, 1 / sample_rate)
        self._inside = (hertz >= BAND[0]) & (hertz <= BAND[1])
        self._scale = 2 / (self.width * float((self._taper**2).sum()))

    def push(self, speech: np.ndarray) -> np.ndarray:
        """Take in (S,): the powers (T,) float32, in dB, that are complete with it."""
        self._kept = np.concatenate([self._kept, speech.astype(np.float32)])
        count = max(0, (len(self._kept) - self.width) // self.hop + 1)
        power = np.empty(count, np.float32)
        for start in range(0, count, _BLOCK):
            stop = min(count, start + _BLOCK)
            piece = self._kept[start * self.hop : (stop - 1) * self.hop + self.width]
            windows = np.lib.stride_tricks.sliding_window_view(piece, self.width)[:: self.hop]
            spectrum = np.fft.rfft(windows * self._taper, axis=1)[:, self._inside]
            power[start:stop] = self._scale * (np.abs(spectrum) ** 2).sum(1)
        self._kept = self._kept[count * self.hop :]
        decibels: np.ndarray = 10 * np.log10(power + _FLOOR)
        return decibels

    def flush(self) -> np.ndarray:
        """End the speech: the power of what is left."""
        return self.push(np.zeros(self.width - self.hop - (self.width - self.hop) // 2, np.float32))


def band_power(pieces: Iterable[np.ndarray], sample_rate: int) -> np.ndarray:
    """Measure the power of all of speech in pieces (S,): (T,) float32 dB, T = sum S // hop, at least 1."""
    meter, powers, samples = BandPower(sample_rate), [], 0
    for piece in pieces:
        powers.append(meter.push(piece))
        samples += len(piece)
    powers.append(meter.push(np.zeros(max(0, meter.hop - samples), np.float32)))
    return np.concatenate([*powers, meter.flush()])


def voice_activity(power: np.ndarray) -> np.ndarray:
    """Decide where there is voice: (T,) bool, from the band's power in dB.

    Something is always speech: the loudest of it.
    """
    loudest = float(_mean(power, _SMOOTH).max())
    threshold = voice_threshold(float(np.percentile(power, 10)), loudest)
    return _widen(_mean(power, 3) >= min(threshold, loudest))


def voice_threshold(floor: float, loudest: float) -> float:
    """Return the power in dB from which on there is voice.

    It lies between the noise floor and the loudest speech, at most 30 dB under the latter, so
    that it holds at any level, in noise and in digital silence.
    """
    return max(loudest - _BELOW, floor + _SHARE * (loudest - floor))


def voiced_frames(speech: np.ndarray, sample_rate: int, frames: int, fps: float) -> np.ndarray:
    """Decide for each of V video frames whether there is voice at its middle: (V,) bool.

    Digital silence all along has none; frames beyond the speech's end have none.
    """
    if not np.any(speech):
        return np.zeros(frames, bool)
    active = voice_activity(band_power([speech], sample_rate))
    at = ((np.arange(frames) + 0.5) / fps * RATE).astype(int)
    voiced: np.ndarray = active[np.minimum(at, len(active) - 1)] & (at < len(active))
    return voiced


def _mean(values: np.ndarray, width: int) -> np.ndarray:
    """Take the running mean; shorter input gives its own mean."""
    if len(values) <= width:
        return np.full(len(values), values.mean(), values.dtype)
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.full(width, 1 / width, np.float32), "valid").astype(values.dtype)


def _widen(active: np.ndarray) -> np.ndarray:
    total = np.cumsum(np.pad(active, (_AFTER + 1, _BEFORE)), dtype=np.int32)
    widened: np.ndarray = total[_AFTER + 1 + _BEFORE :] > total[: len(active)]
    return widened
