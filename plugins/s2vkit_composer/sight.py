"""What a decoder sees of real frames in training: a few noisy numbers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_HIDDEN = 64
_NOISE = 0.3  # beside codes of variance 1: too few bits to know a frame by heart


class Sight(nn.Module):
    """Base of what maps parts of frames to codes of variance 1; in training with noise."""

    def __init__(self, size: int, shrunk: tuple[int, int]) -> None:
        super().__init__()
        self.shrunk = shrunk
        self.see = nn.Sequential(
            nn.Linear(shrunk[0] * shrunk[1], _HIDDEN), nn.LeakyReLU(0.2), nn.Linear(_HIDDEN, size, bias=False)
        )
        self.level = nn.BatchNorm1d(size, affine=False)

    def look(self, part: Tensor) -> Tensor:
        """Map parts of frames (N, 3, h, w) to codes (N, size)."""
        small = F.interpolate(part.mean(1, keepdim=True).float(), size=self.shrunk, mode="area")
        codes: Tensor = self.level(self.see(small.flatten(1)))
        return codes + _NOISE * torch.randn_like(codes) if self.training else codes
