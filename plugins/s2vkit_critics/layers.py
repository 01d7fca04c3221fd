"""What the critics are built of."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

Layer = Callable[[nn.Module], nn.Module]
SLOPE = 0.2


def layer_of(spectral: bool) -> Layer:
    """Give what every layer is wrapped in."""
    return spectral_norm if spectral else lambda module: module


def widths_of(first: int, channels: int, most: int, layers: int) -> list[int]:
    """Give the channels before and after each layer, doubled up to `most` times the first."""
    return [first] + [channels * min(1 << i, most) for i in range(layers)]


def halvings(side: int, least: int) -> int:
    """Count how often a side may be halved until it is `least`."""
    return max(1, int(math.log2(max(2, side / least))))


def leaky() -> nn.Module:
    """Make the activation."""
    return nn.LeakyReLU(SLOPE, inplace=True)
