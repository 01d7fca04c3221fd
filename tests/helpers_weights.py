"""Files of random weights with the exact names and shapes of the published ones."""

from __future__ import annotations

import torch
from torch import Tensor

from s2vkit import Checkpoint
from s2vkit.plugins import registry


def published(name: str, file: str) -> Checkpoint:
    """Find what the component `name` says of a published file."""
    for entry in registry().of_kind():
        for checkpoint in entry.checkpoints:
            if (entry.name, checkpoint.file) == (name, file):
                return checkpoint
    raise AssertionError(f"{name} offers no {file}")


def random_weights(checkpoint: Checkpoint, *, counters: bool = False) -> dict[str, Tensor]:
    """Draw weights that keep signals at about their size, without BatchNorm's counters."""
    random = torch.Generator().manual_seed(0)
    made = {}
    for key, (shape, *_) in checkpoint.shapes().items():
        if key.endswith("num_batches_tracked"):
            if counters:
                made[key] = torch.tensor(3)
        elif key.endswith(("running_var", "bn.weight")) or ("bn" in key and "weight" in key):
            made[key] = torch.rand(shape, generator=random) * 0.5 + 0.5
        else:
            fan = max(1, torch.Size(shape[1:]).numel())
            made[key] = torch.randn(shape, generator=random) / fan**0.5
    return made
