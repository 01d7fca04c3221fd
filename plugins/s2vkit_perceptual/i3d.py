"""I3D (Carreira and Zisserman 2017); its layers bear the names of pytorch-i3d's files."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 400
_EPS = 1e-3
_MIXED: dict[str, tuple[int, ...]] = {  # channels of the branches: 1x1; 1x1, 3x3; 1x1, 3x3; pool
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}
_POOLS = {"3b": ((1, 3, 3), (1, 2, 2)), "4b": ((3, 3, 3), (2, 2, 2)), "5b": ((2, 2, 2), (2, 2, 2))}
"""The pooling before a mixed layer: kernel and step."""


class I3d(nn.Module):
    """Inflated Inception: videos (B, 3, T, 224, 224) in [-1, 1] to 400 logits, a mean over time."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, 2)
        self.Conv3d_2b_1x1 = Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        inputs = 192
        for name, channels in _MIXED.items():
            self.add_module(f"Mixed_{name}", Mixed(inputs, channels))
            inputs = channels[0] + channels[2] + channels[4] + channels[5]
        self.logits = Unit(inputs, CLASSES, 1, plain=True)

    def forward(self, videos: Tensor) -> Tensor:
        """Return the logits (B, 400) of videos of at least 9 frames."""
        x = pool(self.Conv3d_1a_7x7(videos), (1, 3, 3), (1, 2, 2))
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
        for name in _MIXED:
            x = pool(x, *_POOLS[name]) if name in _POOLS else x
            x = self.get_submodule(f"Mixed_{name}")(x)
        x = self.logits(F.avg_pool3d(x, (2, 7, 7), 1))
        return x.flatten(2).mean(2)


class Unit(nn.Module):
    """A convolution that pads as TensorFlow does, BatchNorm and ReLU; `plain`: only a bias."""

    def __init__(self, inputs: int, outputs: int, kernel: int, step: int = 1, *, plain: bool = False) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, step, bias=plain)
        self.bn = None if plain else nn.BatchNorm3d(outputs, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, T, H, W)."""
        x = self.conv3d(same(x, self.conv3d.kernel_size, self.conv3d.stride))
        return x if self.bn is None else F.relu(self.bn(x))


class Mixed(nn.Module):
    """Four branches side by side."""

    def __init__(self, inputs: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        one, two_a, two_b, three_a, three_b, four = channels
        self.b0 = Unit(inputs, one, 1)
        self.b1a, self.b1b = Unit(inputs, two_a, 1), Unit(two_a, two_b, 3)
        self.b2a, self.b2b = Unit(inputs, three_a, 1), Unit(three_a, three_b, 3)
        self.b3b = Unit(inputs, four, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, T, H, W)."""
        pooled = self.b3b(pool(x, (3, 3, 3), (1, 1, 1)))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), pooled], 1)


def pool(x: Tensor, kernel: tuple[int, ...], step: tuple[int, ...]) -> Tensor:
    """Take the largest of each window, the ends padded with zeros as TensorFlow places them."""
    return F.max_pool3d(same(x, kernel, step), kernel, step)


def same(x: Tensor, kernel: tuple[int, ...], step: tuple[int, ...]) -> Tensor:
    """Pad (B, C, T, H, W) with zeros so that a step gives a place; the odd one goes behind."""
    padding: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel, step, strict=True):
        whole = max(k - (size % s or s), 0)
        padding = [whole // 2, whole - whole // 2, *padding]
    return F.pad(x, padding)
