"""Pictures as pixels and as tensors."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def to_images(pixels: Tensor) -> Tensor:
    """Turn uint8 (..., H, W, 3) into float (..., 3, H, W) in [-1, 1]."""
    return pixels.movedim(-1, -3).float().mul_(2 / 255).sub_(1)


def to_uint8(frames: Tensor) -> np.ndarray:
    """Turn frames (..., 3, H, W) in [-1, 1] into uint8 (..., H, W, 3); what exceeds is clipped."""
    scaled = frames.detach().float().clamp(-1, 1).add_(1).mul_(127.5)
    return scaled.round_().byte().movedim(-3, -1).cpu().numpy()
