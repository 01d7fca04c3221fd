"""FVD, on I3D of Kinetics-400.

The I3D most often used for it comes as TorchScript, a format that holds code, which is never
opened here; the same network's weights as plain tensors are (pytorch-i3d's rgb_imagenet.pt).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit import InputError, Metric, Outcome, Score, fit_weights, read_weights
from s2vkit_perceptual import FvdOptions
from s2vkit_perceptual.frechet import Clouds
from s2vkit_perceptual.i3d import I3d

_SIZE = 224


class Fvd(Metric):
    """The Frechet distance of windows of generated clips to windows of real ones."""

    def __init__(self, options: FvdOptions) -> None:
        self.options = options
        self.net = I3d()
        fit_weights(self.net, _tensors(options.checkpoint), source=options.checkpoint)
        self.net.eval().requires_grad_(False)
        self.clouds = Clouds()
        self.short = 0

    @torch.no_grad()
    def update(self, outcome: Outcome) -> None:
        """Add one clip: every window that does not overlap the one before."""
        self.net.to(outcome.generated.device)
        frames = min(len(outcome.generated), len(outcome.real))
        if frames < self.options.window:
            self.short += 1
            return
        for start in range(0, frames - self.options.window + 1, self.options.window):
            cut = slice(start, start + self.options.window)
            self.clouds.add(self._embed(outcome.generated[cut]), self._embed(outcome.real[cut]))
        self.clouds.end_clip()

    def compute(self) -> Score:
        """Return the distance."""
        return Score(
            value=self.clouds.distance(),
            on_real=self.clouds.between_halves(),
            chance=None,
            n=self.clouds.generated.count,
            definition="FVD: Frechet distance of the 400 logits of I3D (Kinetics) of windows of "
            f"{self.options.window} frames, resized to {_SIZE} px (bilinear), RGB in [-1, 1]; over "
            "all whole windows of the split, n of them; below some hundreds it is biased upwards; "
            "on real: real windows of every other clip against those of the rest",
            details={"left_out_too_short": self.short},
        )

    def _embed(self, frames: Tensor) -> Tensor:
        large = F.interpolate(frames.float(), (_SIZE, _SIZE), mode="bilinear")
        given: Tensor = self.net(large.transpose(0, 1).unsqueeze(0))
        return given


def _tensors(path: str) -> dict[str, Tensor]:
    """Read the weights. Raises InputError, for TorchScript with how to go on."""
    try:
        return read_weights(path)
    except InputError as error:
        raise InputError(
            error.message,
            hint="FVD wants the weights of I3D as plain tensors (rgb_imagenet.pt of pytorch-i3d); "
            "TorchScript (i3d_torchscript.pt) holds code and is never opened",
        ) from error
