"""Patch discriminators of several scales, and of space and time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Batch, Discriminator, GeneratorOutput, Inputs, windows
from s2vkit_discriminators import MultiScalePatchOptions, TemporalPatchOptions
from s2vkit_discriminators.layers import (
    Layer,
    Shape,
    activations,
    halvings,
    layer_of,
    leaky,
    space_time,
    widths_of,
)


class MultiScalePatch(Discriminator):
    """A patch discriminator each for the frame, its half, its quarter: texture and whole alike.

    As pix2pixHD's three discriminators, without norms. A scale smaller than 8 px is left out.
    """

    def __init__(
        self, options: MultiScalePatchOptions, *, size: int, features: int, map_shapes: list[Shape]
    ) -> None:
        super().__init__()
        layer = layer_of(options.spectral_norm)
        sides = [size >> i for i in range(options.scales) if size >> i >= 8]
        self.scales = nn.ModuleList(_patch(layer, options, side) for side in sides)
        self.to(memory_format=torch.channels_last)

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Return single frames (N, 3, H, W)."""
        return (output.frames.flatten(0, 1),)

    def forward(self, images: Tensor) -> Tensor:
        """Score (N, 3, H, W) in [-1, 1]: (N, P), the scores of all patches of all scales."""
        x = images.contiguous(memory_format=torch.channels_last)
        scores = []
        for i, network in enumerate(self.scales):
            x = F.avg_pool2d(x, 2) if i else x
            scores.append(network(x).flatten(1))
        return torch.cat(scores, 1)

    def layers(self, images: Tensor) -> list[Tensor]:
        """Return the activations of every layer of every scale for (N, 3, H, W)."""
        x, found = images.contiguous(memory_format=torch.channels_last), []
        for i, network in enumerate(self.scales):
            x = F.avg_pool2d(x, 2) if i else x
            found += activations(network, x)
        return found


def _patch(layer: Layer, options: MultiScalePatchOptions, side: int) -> nn.Sequential:
    layers = min(options.layers, halvings(side, 2))
    widths = widths_of(3, options.channels, options.max_multiple, layers)
    body: list[nn.Module] = []
    for i in range(layers):
        body += [layer(nn.Conv2d(widths[i], widths[i + 1], 4, 2, 1)), leaky()]
    return nn.Sequential(*body, layer(nn.Conv2d(widths[-1], 1, 3, padding=1)))


class TemporalPatch(Discriminator):
    """Scores overlapping patches of runs of frames, so that motion must look real too.

    Three-dimensional convolutions, 3 frames deep, that halve height and width only.
    """

    runs = True

    def __init__(
        self, options: TemporalPatchOptions, *, size: int, features: int, map_shapes: list[Shape]
    ) -> None:
        super().__init__()
        layer = layer_of(options.spectral_norm)
        layers = min(options.layers, halvings(size, 2))
        body, out = space_time(layer, options.channels, options.max_multiple, layers)
        self.body = nn.Sequential(*body, layer(nn.Conv3d(out, 1, 3, padding=1)))

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Return runs of frames (M, W, 3, H, W)."""
        return (windows(batch, output.frames),)

    def forward(self, runs: Tensor) -> Tensor:
        """Score (M, W, 3, H, W) in [-1, 1]: (M, 1, W, h, w), h = H / 2**layers."""
        scores: Tensor = self.body(runs.transpose(1, 2))
        return scores

    def layers(self, runs: Tensor) -> list[Tensor]:
        """Return the activations of every layer for (M, W, 3, H, W)."""
        return activations(self.body, runs.transpose(1, 2))
