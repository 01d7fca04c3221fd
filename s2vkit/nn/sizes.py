"""Widths of layers, and which steps of a padded batch are real."""

from __future__ import annotations

import torch
from torch import Tensor


def scale_width(count: int, width: float, multiple: int = 8) -> int:
    """Scale a published number of channels by `width`: a multiple of `multiple`, which is the least."""
    return max(multiple, round(count * width / multiple) * multiple)


def valid_mask(lengths: Tensor, size: int) -> Tensor:
    """Mark what is no padding of sequences of (B,) lengths that are padded to a size: (B, size)."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)
