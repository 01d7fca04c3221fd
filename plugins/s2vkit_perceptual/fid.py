"""FID, on the Inception that pytorch-fid carried over from TensorFlow."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import inception_v3
from torchvision.models.inception import InceptionA, InceptionC, InceptionE

from s2vkit import Metric, Outcome, Score, fit_weights, read_weights
from s2vkit_perceptual import FidOptions
from s2vkit_perceptual.frechet import Clouds

CLASSES = 1008
_SIZE, _CHUNK = 299, 16


class Fid(Metric):
    """The Frechet distance of all generated frames to all real ones, over the whole split at once."""

    def __init__(self, options: FidOptions) -> None:
        self.net = build()
        fit_weights(self.net, read_weights(options.checkpoint), source=options.checkpoint)
        self.net.fc = nn.Identity()
        self.net.eval().requires_grad_(False)
        self.clouds = Clouds()

    @torch.no_grad()
    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        self.net.to(outcome.generated.device)
        self.clouds.add(self._embed(outcome.generated), self._embed(outcome.real))
        self.clouds.end_clip()

    def compute(self) -> Score:
        """Return the distance; on real: between the real frames of every other clip."""
        return Score(
            value=self.clouds.distance(),
            on_real=self.clouds.between_halves(),
            chance=None,
            n=self.clouds.generated.count,
            definition="FID: Frechet distance of the 2048 features of the last pooling of "
            "pytorch-fid's Inception, frames resized to 299 px (bilinear, not antialiased, as "
            "pytorch-fid); over all frames of the split, n of them; below some thousands of "
            "frames it is biased upwards; on real: real frames of every other clip against those "
            "of the rest",
        )

    def _embed(self, frames: Tensor) -> Tensor:
        found = []
        for part in frames.split(_CHUNK):
            large = F.interpolate(part.float(), (_SIZE, _SIZE), mode="bilinear")
            found.append(self.net(large))
        return torch.cat(found)


def build() -> nn.Module:
    """Build the Inception of FID: torchvision's, pooling as TensorFlow's does."""
    net = inception_v3(
        weights=None, num_classes=CLASSES, aux_logits=False, init_weights=False, transform_input=False
    )
    for name, block in net.named_children():
        if isinstance(block, InceptionA | InceptionC | InceptionE):
            block.__class__ = _POOLING[type(block), name == "Mixed_7c"]
    return net


def _without_padding(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def _largest(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 1, 1)


class _A(InceptionA):
    def _forward(self, x: Tensor) -> list[Tensor]:
        return [*super()._forward(x)[:-1], self.branch_pool(_without_padding(x))]


class _C(InceptionC):
    def _forward(self, x: Tensor) -> list[Tensor]:
        return [*super()._forward(x)[:-1], self.branch_pool(_without_padding(x))]


class _E(InceptionE):
    def _forward(self, x: Tensor) -> list[Tensor]:
        return [*super()._forward(x)[:-1], self.branch_pool(_without_padding(x))]


class _LastE(InceptionE):
    def _forward(self, x: Tensor) -> list[Tensor]:
        return [*super()._forward(x)[:-1], self.branch_pool(_largest(x))]


_POOLING: dict[tuple[type[nn.Module], bool], type[nn.Module]] = {
    (InceptionA, False): _A,
    (InceptionC, False): _C,
    (InceptionE, False): _E,
    (InceptionE, True): _LastE,
}
