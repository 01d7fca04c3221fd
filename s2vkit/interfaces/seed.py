"""Seeds: every draw is a function of the run's seed, a name and a step, never of history.

That is what makes an interrupted run end in the very same weights: nothing has to be
remembered of any random generator.
"""

from __future__ import annotations

import hashlib

import torch


def derive(seed: int, *names: object) -> int:
    """Derive a 63-bit seed from the run's seed and names."""
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_step(seed: int, *names: object) -> None:
    """Set torch's global generators for what follows."""
    torch.manual_seed(derive(seed, *names))


def generator(seed: int, *names: object) -> torch.Generator:
    """Return a fresh CPU generator of its own."""
    return torch.Generator().manual_seed(derive(seed, *names))
