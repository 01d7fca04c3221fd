"""The three discriminators of Speech2Video: of identity, of frames, and of synchrony."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from s2vkit import RecipeError
from s2vkit_composer import IdentityMapsOptions, PatchOptions, SpeechSyncOptions
from s2vkit_composer.identity import Shape

Layer = Callable[[nn.Module], nn.Module]


def _layer(spectral: bool) -> Layer:
    return spectral_norm if spectral else lambda module: module


def _halving(layer: Layer, inputs: int, out: int) -> nn.Sequential:
    return nn.Sequential(layer(nn.Conv2d(inputs, out, 4, 2, 1)), nn.LeakyReLU(0.2, inplace=True))


def _trunk(layer: Layer, channels: int, layers: int) -> tuple[nn.Sequential, int]:
    """Make layers that halve RGB images, and say how many channels come out."""
    widths = [3] + [channels * min(1 << i, 4) for i in range(layers)]
    trunk = [_halving(layer, widths[i], widths[i + 1]) for i in range(layers)]
    return nn.Sequential(*trunk), widths[-1]


class IdentityMaps(nn.Module):
    """D_ID (Eq. 4): a patch head on each identity map, all ending in grids of equal size.

    How maps of three sizes are discriminated is not said in the paper. Here each head halves
    its map until it is as small as the smallest map's, so that each map has an equal say.
    """

    wants = ("identity_maps",)

    def __init__(
        self, options: IdentityMapsOptions, *, size: int, features: int, map_shapes: list[Shape]
    ) -> None:
        super().__init__()
        if not map_shapes:
            raise RecipeError(
                "discriminator 'identity_maps' has no maps to look at",
                hint="name an identity teacher that gives maps, or leave this discriminator out",
            )
        self.normalize = options.normalize
        layer = _layer(options.spectral_norm)
        least = min(h for _, h, _ in map_shapes)
        self.heads = nn.ModuleList(
            _head(layer, c, options.channels, 1 + round(math.log2(h / least)), h) for c, h, _ in map_shapes
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Score [(B, C, h, w)]: (B, P), the scores of all patches of all maps."""
        seen = [_unit(m) if self.normalize else m for m in maps]
        scores = [head(m) for head, m in zip(self.heads, seen, strict=True)]
        return torch.cat([s.flatten(1) for s in scores], 1)


def _unit(maps: Tensor) -> Tensor:
    maps = maps.float()
    return maps * (maps.square().mean((1, 2, 3), keepdim=True) + 1e-6).rsqrt()


def _head(layer: Layer, inputs: int, channels: int, halvings: int, side: int) -> nn.Sequential:
    halvings = min(halvings, int(math.log2(side)))
    return nn.Sequential(
        layer(nn.Conv2d(inputs, channels, 1)),
        nn.LeakyReLU(0.2, inplace=True),
        *(_halving(layer, channels, channels) for _ in range(halvings)),
        layer(nn.Conv2d(channels, 1, 3, padding=1)),
    )


class Patch(nn.Module):
    """D_fr (Eq. 5): scores overlapping patches of single frames; no norm, leaky ReLU.

    It has `layers` halving layers, or fewer where the frame would get smaller than 2x2.
    """

    wants = ("frames",)

    def __init__(self, options: PatchOptions, *, size: int, features: int, map_shapes: list[Shape]) -> None:
        super().__init__()
        layer = _layer(options.spectral_norm)
        layers = min(options.layers, int(math.log2(size)) - 1)
        self.trunk, out = _trunk(layer, options.channels, layers)
        self.score = layer(nn.Conv2d(out, 1, 3, padding=1))
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Score (N, 3, H, W) in [-1, 1]: (N, 1, h, w), h = H / 2**layers."""
        images = images.contiguous(memory_format=torch.channels_last)
        scores: Tensor = self.score(self.trunk(images))
        return scores

    def layers(self, images: Tensor) -> list[Tensor]:
        """Show what every layer sees in (N, 3, H, W): for the matching of features."""
        found = [images.contiguous(memory_format=torch.channels_last)]
        for layer in self.trunk:
            found.append(layer(found[-1]))
        return found[1:]


class SpeechSync(nn.Module):
    """D_sync (Eq. 6): scores a frame together with a speech feature, real where they agree.

    The frame goes through halving layers down to about 4x4, the feature through two linear
    ones; a joint head sees both and their product.
    """

    wants = ("frames", "features")
    pairs = True

    def __init__(
        self, options: SpeechSyncOptions, *, size: int, features: int, map_shapes: list[Shape]
    ) -> None:
        super().__init__()
        self.lower = options.region == "lower"
        layer, joint = _layer(options.spectral_norm), options.joint
        layers = max(1, round(math.log2(size / 4)))
        self.trunk, out = _trunk(layer, options.channels, layers)
        high = max(1, (size // 2 if self.lower else size) >> layers)
        self.see = layer(nn.Linear(out * high * (size >> layers), joint))
        self.hear = nn.Sequential(
            layer(nn.Linear(features, joint)), nn.LeakyReLU(0.2), layer(nn.Linear(joint, joint))
        )
        self.score = nn.Sequential(
            layer(nn.Linear(3 * joint, joint)), nn.LeakyReLU(0.2), layer(nn.Linear(joint, 1))
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor, features: Tensor, which: Tensor | None = None) -> Tensor:
        """Score (N, 3, H, W) in [-1, 1] with (N, D): (N, 1).

        With `which` (M,) and features (M, D), feature m goes with image `which[m]`: (M, 1).
        Each image is looked at once.
        """
        if self.lower:
            images = images[:, :, images.shape[2] // 2 :]
        images = images.contiguous(memory_format=torch.channels_last)
        seen = F.leaky_relu(self.see(self.trunk(images).flatten(1)), 0.2)
        seen = seen if which is None else seen.index_select(0, which)
        heard = F.leaky_relu(self.hear(features), 0.2)
        scores: Tensor = self.score(torch.cat([seen, heard, seen * heard], 1))
        return scores
