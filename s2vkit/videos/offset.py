"""By how much a video starts later than the real one, found in their sounds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ALIKE = 0.3
"""Correlation of two sounds from which on they count as recordings of the same speech."""


class Offset(NamedTuple):
    """Where two recordings are most alike."""

    seconds: float  # the first lags behind the second by so much
    correlation: float  # at that lag, in [-1, 1]


def offset_of(sound: np.ndarray, other: np.ndarray, rate: int, within: float) -> Offset:
    """Find the lag, at most `within` s either way, at which (S,) and (T,) samples correlate best.

    What is said at t in `other` is said at t + seconds in `sound`. Silence correlates with nothing.
    """
    if min(len(sound), len(other)) == 0:
        return Offset(0.0, 0.0)
    most = round(within * rate)
    size = 1 << (len(sound) + len(other) - 1).bit_length()
    spectrum = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(other, size))
    products = np.fft.irfft(spectrum, size)
    lags = np.arange(max(-most, 1 - len(other)), min(most, len(sound) - 1) + 1)
    energy = float(
        np.sqrt(np.square(sound, dtype=np.float64).sum() * np.square(other, dtype=np.float64).sum())
    )
    if energy < 1e-9:
        return Offset(0.0, 0.0)
    best = int(lags[np.argmax(products[lags])])
    return Offset(best / rate, float(products[best] / energy))
