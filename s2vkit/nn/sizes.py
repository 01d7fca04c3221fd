"""Widths of layers, and which steps of a padded batch are real."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def scale_width(count: int, width: float, multiple: int = 8) -> int:
    """Scale a published number of channels by `width`: a multiple of `multiple`, which is the least."""
    return max(multiple, round(count * width / multiple) * multiple)


def valid_mask(lengths: Tensor, size: int) -> Tensor:
    """Mark what is no padding of sequences of (B,) lengths that are padded to a size: (B, size)."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


def resize(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Resize images (N, C, H, W) to `size` (a side, or height and width): bilinear, antialiased.

    It computes in float32, as CPUs have no antialiasing in bf16.
    """
    target = (size, size) if isinstance(size, int) else size
    if images.shape[-2:] == target:
        return images
    return F.interpolate(images.float(), target, mode="bilinear", antialias=True)


def face_part(images: Tensor, region: str) -> Tensor:
    """Take a region of faces (..., H, W): `full` or `face`, the `lower` half, or its middle half, `mouth`."""
    if region in ("full", "face"):
        return images
    height, width = images.shape[-2:]
    lower = images[..., height // 2 :, :]
    return lower if region == "lower" else lower[..., width // 4 : width - width // 4]
