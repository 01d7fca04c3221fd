"""The error code: Reed-Muller of second order, 16 bits in 32 signs, 8 apart, decoded softly."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np

BITS, LENGTH = 16, 32


@cache
def codewords() -> np.ndarray:
    """Return the signs of all payloads: float32 (65536, 32)."""
    points = (np.arange(LENGTH)[:, None] >> np.arange(5)) & 1
    products = [points[:, i] & points[:, j] for i, j in combinations(range(5), 2)]
    generator = np.stack([np.ones(LENGTH, int), *points.T, *products])
    payloads = (np.arange(2**BITS)[:, None] >> np.arange(BITS)) & 1
    return (1 - 2 * (payloads @ generator % 2)).astype(np.float32)


def decode(soft: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the likeliest payloads of soft signs (C, 32), and their correlations: (C,) each."""
    scores = soft.astype(np.float32) @ codewords().T
    best = scores.argmax(1)
    return best, scores[np.arange(len(scores)), best]
