"""Seeded splits that hardly change when a few clips come or go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def shares(names: Iterable[str], seed: int, val: float, test: float) -> dict[str, str]:
    """Put names into train, val and test: exactly the shares, rounded.

    The order is that of a hash of seed and name, so that a name that is missing moves at most
    a few others.
    """
    ranked = ranked_by(seed, names)
    tests, vals = round(len(ranked) * test), round(len(ranked) * val)
    return {
        name: "test" if at < tests else "val" if at < tests + vals else "train"
        for at, name in enumerate(ranked)
    }


def ranked_by(seed: int, names: Iterable[str]) -> list[str]:
    """Order distinct names as a seed says."""
    return sorted(set(names), key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
