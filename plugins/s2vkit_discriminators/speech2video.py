"""The three discriminators of Speech2Video: of identity, of frames, and of synchrony."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import (
    Batch,
    Discriminator,
    Features,
    GeneratorOutput,
    Inputs,
    Mismatched,
    RecipeError,
    draw_rows,
    join,
)
from s2vkit import IdentityMaps as TeacherMaps
from s2vkit.nn import face_part
from s2vkit_discriminators import IdentityMapsOptions, PatchOptions, SpeechSyncOptions
from s2vkit_discriminators.layers import SLOPE, Layer, Shape, layer_of, leaky, widths_of


def _halving(layer: Layer, inputs: int, out: int) -> nn.Sequential:
    return nn.Sequential(layer(nn.Conv2d(inputs, out, 4, 2, 1)), leaky())


def _trunk(layer: Layer, channels: int, layers: int, inputs: int = 3) -> tuple[nn.Sequential, int]:
    """Make layers that halve images of so many channels, and say how many channels come out."""
    widths = widths_of(inputs, channels, 4, layers)
    trunk = [_halving(layer, widths[i], widths[i + 1]) for i in range(layers)]
    return nn.Sequential(*trunk), widths[-1]


class IdentityMaps(Discriminator):
    """D_ID (Eq. 4): a patch head on each identity map, all ending in grids of equal size.

    How maps of three sizes are discriminated is not said in the paper. Here each head halves
    its map until it is as small as the smallest map's, so that each map has an equal say.
    """

    fields = (TeacherMaps(),)

    def __init__(
        self, options: IdentityMapsOptions, *, size: int, features: int, map_shapes: list[Shape]
    ) -> None:
        super().__init__()
        if not map_shapes:
            raise RecipeError(
                "discriminator 'identity_maps' has no maps to score",
                hint="name an identity teacher that gives maps, or leave this discriminator out",
            )
        self.normalize, self.noise = options.normalize, options.noise
        layer = layer_of(options.spectral_norm)
        smallest = min(h for _, h, _ in map_shapes)
        self.heads = nn.ModuleList(
            _head(layer, c, options.channels, 1 + round(math.log2(h / smallest)), h) for c, h, _ in map_shapes
        )
        self.to(memory_format=torch.channels_last)

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Return the identity maps, one set for each clip; in training with the noise that hides them."""
        maps = output.identity_maps
        if self.noise and self.training:
            maps = [m + self.noise * _scale(m) * _noise_like(m) for m in maps]
        return (maps,)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Score [(B, C, h, w)]: (B, P), the scores of all patches of all maps."""
        scaled = [m / _scale(m) if self.normalize else m for m in maps]
        scores = [head(m) for head, m in zip(self.heads, scaled, strict=True)]
        return torch.cat([s.flatten(1) for s in scores], 1)


def _scale(maps: Tensor) -> Tensor:
    """Return the root mean square of each map (B, 1, 1, 1)."""
    return (maps.float().square().mean((1, 2, 3), keepdim=True) + 1e-6).sqrt()


def _noise_like(maps: Tensor) -> Tensor:
    """Draw normal noise (B, C, h, w): the same for a clip whatever process it is in."""
    shape, device = maps.shape[1:], maps.device
    return draw_rows(lambda rows: torch.randn(rows, *shape, device=device, dtype=maps.dtype), len(maps))


def _head(layer: Layer, inputs: int, channels: int, halvings: int, side: int) -> nn.Sequential:
    halvings = min(halvings, int(math.log2(side)))
    return nn.Sequential(
        layer(nn.Conv2d(inputs, channels, 1)),
        leaky(),
        *(_halving(layer, channels, channels) for _ in range(halvings)),
        layer(nn.Conv2d(channels, 1, 3, padding=1)),
    )


class Patch(Discriminator):
    """D_fr (Eq. 5): scores overlapping patches of single frames; no norm, leaky ReLU.

    It has `layers` halving layers, or fewer where the frame would get smaller than 2x2. Detail is a
    hundredth of the variance of a face, so from colours alone it is learnt last; with `detail` it is
    a channel of its own, as large as colours are.
    """

    laplacian: Tensor

    def __init__(self, options: PatchOptions, *, size: int, features: int, map_shapes: list[Shape]) -> None:
        super().__init__()
        layer = layer_of(options.spectral_norm)
        side = size if options.region == "full" else size // 2
        layers = min(options.layers, int(math.log2(side)) - 1)
        self.detail, self.region = options.detail, options.region
        self.trunk, out = _trunk(layer, options.channels, layers, 4 if self.detail else 3)
        self.score = layer(nn.Conv2d(out, 1, 3, padding=1))
        around = torch.tensor([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]])
        self.register_buffer("laplacian", around[None, None], persistent=False)
        self.to(memory_format=torch.channels_last)

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Return what is seen of single frames (N, 3, H, W)."""
        return (face_part(output.frames.flatten(0, 1), self.region),)

    def forward(self, images: Tensor) -> Tensor:
        """Score (N, 3, H, W) in [-1, 1]: (N, 1, h, w), h = H / 2**layers."""
        scores: Tensor = self.score(self.trunk(self._shown(images)))
        return scores

    def _shown(self, images: Tensor) -> Tensor:
        """Add the channel of detail, if there is one: (N, 3 or 4, H, W)."""
        if self.detail:
            detail = F.conv2d(images.mean(1, keepdim=True), self.laplacian, padding=1)
            images = torch.cat([images, self.detail * detail], 1)
        return images.contiguous(memory_format=torch.channels_last)

    def layers(self, images: Tensor) -> list[Tensor]:
        """Return the activations of every layer for (N, 3, H, W): for the matching of features."""
        found = [self._shown(images)]
        for layer in self.trunk:
            found.append(layer(found[-1]))
        return found[1:]


class SpeechSync(Discriminator):
    """D_sync (Eq. 6): scores a frame together with a speech feature, real where they agree.

    The frame goes through halving layers down to about 4x4, the feature through two linear
    ones; a joint head sees both and their product.
    """

    fields = (Features(), Mismatched())

    def __init__(
        self, options: SpeechSyncOptions, *, size: int, features: int, map_shapes: list[Shape]
    ) -> None:
        super().__init__()
        self.region = options.region
        layer, joint = layer_of(options.spectral_norm), options.joint
        layers = max(1, round(math.log2(size / 4)))
        self.trunk, out = _trunk(layer, options.channels, layers)
        high = max(1, (size // 2 if self.region == "lower" else size) >> layers)
        self.image = layer(nn.Linear(out * high * (size >> layers), joint))
        self.speech = nn.Sequential(
            layer(nn.Linear(features, joint)), nn.LeakyReLU(SLOPE), layer(nn.Linear(joint, joint))
        )
        self.score = nn.Sequential(
            layer(nn.Linear(3 * joint, joint)), nn.LeakyReLU(SLOPE), layer(nn.Linear(joint, 1))
        )
        self.to(memory_format=torch.channels_last)

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Return single frames (N, 3, H, W) and the features (N, D) of their times."""
        return output.frames.flatten(0, 1), batch["features"].flatten(0, 1)

    def mismatched(self, batch: Batch) -> Inputs:
        """Return real frames with features of other times, tau' of Eq. 6."""
        return batch["frames"].flatten(0, 1), batch["mismatched"].flatten(0, 1)

    def forward(self, images: Tensor, features: Tensor) -> Tensor:
        """Score (N, 3, H, W) in [-1, 1] with (N, D): (N, 1)."""
        return self._agreement(self._encode(images), features)

    def score_kinds(self, real: Inputs, fake: Inputs, mismatched: Inputs | None) -> tuple[Tensor, ...]:
        """Score real, fake and mismatched pairs; the real frames, in two kinds, are encoded once."""
        if mismatched is None:
            return super().score_kinds(real, fake, None)
        frames, features = join(real, fake)
        codes = self._encode(frames).chunk(2)
        features = torch.cat([features, mismatched[1]])
        return self._agreement(torch.cat([*codes, codes[0]]), features).chunk(3)

    def _encode(self, images: Tensor) -> Tensor:
        images = face_part(images, self.region).contiguous(memory_format=torch.channels_last)
        return F.leaky_relu(self.image(self.trunk(images).flatten(1)), SLOPE)

    def _agreement(self, images: Tensor, features: Tensor) -> Tensor:
        """Score codes of images (N, joint) together with speech features (N, D): (N, 1)."""
        speech = F.leaky_relu(self.speech(features), SLOPE)
        scores: Tensor = self.score(torch.cat([images, speech, images * speech], 1))
        return scores
