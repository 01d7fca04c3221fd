"""The identity branch: a face's code, inflated to maps like those of the identity teacher."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit_composer.blocks import Stem, norm_layer, unit_scale

Shape = tuple[int, int, int]


class IdentityBranch(nn.Module):
    """Inflates a code (B, dim) to maps of the shapes asked for, small to large.

    Paper, section 2.2: the code goes through as many transposed convolutions as there are
    maps (three), each doubling width and height, and a 1x1 convolution aligns each map to the
    teacher's layer. The start map is half the smallest map; where the teacher's maps do not
    double exactly, the inflated one is resized to them (bilinear). It runs once a clip.
    """

    def __init__(
        self, dim: int, shapes: list[Shape], *, width: int, scale: str, activation: str, norm: str
    ) -> None:
        super().__init__()
        self.shapes = shapes
        self.scale = scale
        self.activation = activation
        widths = [width] + [max(width >> i, min(width, 32)) for i in range(len(shapes))]
        self.stem = Stem(dim, width, max(1, shapes[0][1] // 2), norm)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=norm == "none"),
                norm_layer(norm, b),
                nn.ReLU(inplace=True),
            )
            for a, b in pairwise(widths)
        )
        self.aligns = nn.ModuleList(
            nn.Conv2d(w, shape[0], 1) for w, shape in zip(widths[1:], shapes, strict=True)
        )

    def forward(self, code: Tensor) -> list[Tensor]:
        """Inflate (B, dim): [(B, C, h, w)] of the shapes asked for."""
        x = self.stem(self.rescaled(code)).contiguous(memory_format=torch.channels_last)
        maps = []
        for block, align, shape in zip(self.blocks, self.aligns, self.shapes, strict=True):
            x = block(x)
            maps.append(self._finish(align(x), shape))
        return maps

    def rescaled(self, code: Tensor) -> Tensor:
        """Bring a code (B, dim) to unit scale; Eq. 2 binds only its direction (our choice)."""
        if self.scale == "l2":
            return unit_scale(code)
        if self.scale == "layer":
            return F.layer_norm(code.float(), code.shape[-1:])
        return code

    def _finish(self, inflated: Tensor, shape: Shape) -> Tensor:
        if inflated.shape[-2:] != shape[1:]:
            inflated = F.interpolate(inflated, shape[1:], mode="bilinear", align_corners=False)
        return F.relu(inflated) if self.activation == "relu" else inflated


def default_shapes(size: int, start: int, width: int, min_width: int) -> list[Shape]:
    """Return the maps of a branch that no teacher shapes: three, or as many as there is room for.

    They lie at 2, 4 and 8 times the start map, at most at half the frame, and have as many
    channels as the decoder has there.
    """
    sides = [side for side in (start << i for i in range(4)) if side <= size // 2][-3:]
    return [(max(width * start // side, min_width), side, side) for side in sides]
