"""Voice activity by energy: where there is speech in a recording, and how loud it is there.

The power of each 10 ms is taken in the telephone band, where speech of every recording has its
vowels and where hum and rumble have little.
"""

from __future__ import annotations

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


def band_power(speech: np.ndarray, sample_rate: int) -> np.ndarray:
    """Measure the power of (S,) speech in the telephone band, in dB: (T,) float32 at 100 a second."""
    hop, width = round(sample_rate / RATE), round(sample_rate * _WINDOW)
    count = max(1, len(speech) // hop)
    padded = np.pad(speech.astype(np.float32), (width // 2, width + hop))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[::hop][:count]
    taper = np.hanning(width).astype(np.float32)
    hertz = np.fft.rfftfreq(width, 1 / sample_rate)
    inside = (hertz >= BAND[0]) & (hertz <= BAND[1])
    power = np.empty(count, np.float32)
    for start in range(0, count, _BLOCK):
        spectrum = np.fft.rfft(windows[start : start + _BLOCK] * taper, axis=1)[:, inside]
        power[start : start + _BLOCK] = 2 * (np.abs(spectrum) ** 2).sum(1) / (width * (taper**2).sum())
    decibels: np.ndarray = 10 * np.log10(power + _FLOOR)
    return decibels


def voice_activity(power: np.ndarray) -> np.ndarray:
    """Decide where there is voice: (T,) bool, from the band's power in dB.

    The threshold lies between the noise floor and the loudest speech, at most 30 dB under the
    latter, so that it holds at any level, in noise and in digital silence. Something is always
    speech: the loudest of it.
    """
    loudest = float(_mean(power, _SMOOTH).max())
    floor = float(np.percentile(power, 10))
    threshold = min(max(loudest - _BELOW, floor + _SHARE * (loudest - floor)), loudest)
    return _widen(_mean(power, 3) >= threshold)


def _mean(values: np.ndarray, width: int) -> np.ndarray:
    """Take the running mean; shorter input gives its own mean."""
    if len(values) <= width:
        return np.full(len(values), values.mean(), values.dtype)
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.full(width, 1 / width, np.float32), "valid").astype(values.dtype)


def _widen(active: np.ndarray) -> np.ndarray:
    total = np.concatenate([[0], np.cumsum(active)])
    at = np.arange(len(active))
    first = np.maximum(at - _AFTER, 0)
    last = np.minimum(at + _BEFORE + 1, len(active))
    widened: np.ndarray = total[last] > total[first]
    return widened
