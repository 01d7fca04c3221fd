"""A recording that can be gone through more than once, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def in_pieces(blocks: Iterable[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Cut samples (S,) that come in blocks of any length anew: into equal pieces, and what is left."""
    rest = np.zeros(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        while len(rest) >= length:
            yield rest[:length]
            rest = rest[length:]
    if len(rest):
        yield rest
