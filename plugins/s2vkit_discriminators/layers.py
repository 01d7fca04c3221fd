"""What the discriminators are built of."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Layer = Callable[[nn.Module], nn.Module]
Shape = tuple[int, int, int]  # (C, h, w) of an identity map
SLOPE = 0.2


def layer_of(spectral: bool) -> Layer:
    """Return what every layer is wrapped in."""
    return spectral_norm if spectral else lambda module: module


def widths_of(first: int, channels: int, max_multiple: int, layers: int) -> list[int]:
    """Return the channels before and after each layer, doubled up to `max_multiple` times the first."""
    return [first] + [channels * min(1 << i, max_multiple) for i in range(layers)]


def halvings(side: int, min_side: int) -> int:
    """Count how often a side may be halved until it is `min_side`."""
    return max(1, int(math.log2(max(2, side / min_side))))


def leaky() -> nn.Module:
    """Make the activation."""
    return nn.LeakyReLU(SLOPE, inplace=True)


def activations(network: nn.Module, x: Tensor) -> list[Tensor]:
    """Return what follows each activation of a chain of layers."""
    found = []
    for module in network.children():
        x = module(x)
        if isinstance(module, nn.LeakyReLU):
            found.append(x)
    return found


def space_time(layer: Layer, channels: int, max_multiple: int, layers: int) -> tuple[nn.Sequential, int]:
    """Make 3-D convolutions that halve height and width, and say how many channels come out."""
    widths = widths_of(3, channels, max_multiple, layers)
    body: list[nn.Module] = []
    for inputs, out in pairwise(widths):
        body += [layer(nn.Conv3d(inputs, out, (3, 4, 4), (1, 2, 2), (1, 1, 1))), leaky()]
    return nn.Sequential(*body), widths[-1]
