"""A recording that can be gone through more than once, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

PIECE = 4.0  # seconds of speech that are encoded at once


class Recording(Protocol):
    """Speech at the model's sample rate, in pieces."""

    def __iter__(self) -> Iterator[np.ndarray]:
        """Begin anew: float32 (S,) pieces, in order."""
        ...

    def peak(self) -> float:
        """Return the greatest absolute value of all samples."""
        ...


class SampledRecording:
    """A recording that is in memory."""

    def __init__(self, samples: np.ndarray, sample_rate: int) -> None:
        self.samples, self.sample_rate = samples, sample_rate

    def __iter__(self) -> Iterator[np.ndarray]:
        piece = int(PIECE * self.sample_rate)
        for start in range(0, len(self.samples), piece):
            yield self.samples[start : start + piece]

    def peak(self) -> float:
        """Return the greatest absolute value of all samples."""
        return float(np.abs(self.samples).max())
