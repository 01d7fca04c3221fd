"""LPIPS as a metric of clips, and as a loss of frames."""

from __future__ import annotations

from statistics import fmean

import torch
from torch import Tensor

from s2vkit import Metric, Outcome, PairLoss, Score
from s2vkit.nn import resize
from s2vkit_perceptual import LpipsLossOptions, LpipsOptions
from s2vkit_perceptual.distance import Distance

_CHUNK = 8


class Lpips(Metric):
    """The perceptual distance of each made frame to its true one, a mean over frames and clips."""

    def __init__(self, options: LpipsOptions) -> None:
        self.options = options
        self.net = Distance(options)
        self.names: list[str] = []
        self.values: list[float] = []

    @torch.no_grad()
    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        self.net.to(outcome.generated.device)
        frames = min(len(outcome.generated), len(outcome.real))
        pairs = zip(
            outcome.generated[:frames].split(_CHUNK), outcome.real[:frames].split(_CHUNK), strict=True
        )
        found = torch.cat([self.net(m.float(), t.float()) for m, t in pairs])
        self.names.append(outcome.name)
        self.values.append(float(found.mean()))

    def compute(self) -> Score:
        """Return the mean over clips."""
        return Score(
            value=fmean(self.values) if self.values else float("nan"),
            on_real=0.0,
            chance=None,
            n=len(self.values),
            definition=f"LPIPS version 0.1, {self.options.net}, on RGB in [-1, 1] at the size of "
            "the frames; mean over frames, then over clips; on real: by definition",
            clips=dict(zip(self.names, self.values, strict=True)),
        )


class LpipsLoss(PairLoss):
    """The perceptual distance of made and real frames, a mean over frames.

    The network is no submodule: it is never trained, and belongs in no checkpoint.
    """

    def __init__(self, options: LpipsLossOptions) -> None:
        super().__init__()
        self.size = options.size
        self._net = [Distance(options)]

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare frames (N, 3, H, W) in [-1, 1]: a scalar."""
        net = self._net[0].to(prediction.device)
        with torch.autocast(prediction.device.type, enabled=False):  # squares of small differences
            found: Tensor = net(self._resize(prediction.float()), self._resize(target.float()))
            return found.mean()

    def _resize(self, frames: Tensor) -> Tensor:
        return frames if self.size is None else resize(frames, self.size)
