"""How sharp generated frames are, and how much moves in them, relative to the real clips."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from s2vkit import Metric, Options, Outcome, Score
from s2vkit_metrics import RegionOptions
from s2vkit_metrics.evaluating import ask, evaluator_of
from s2vkit_metrics.likeness import luma, unit

_FLAT = 1e-6
_LAPLACIAN = ((0.0, -1.0, 0.0), (-1.0, 4.0, -1.0), (0.0, -1.0, 0.0))


class Share(Metric):
    """Base: a figure of the generated clip divided by that of the real one, a mean over clips.

    Clips whose real frames have none of it are left out and counted.
    """

    definition = ""

    def __init__(self, options: Options) -> None:
        self.shares: dict[str, float] = {}
        self.left_out = 0

    def update(self, outcome: Outcome) -> None:
        """Add one clip, cut to the shorter of generated and real."""
        frames = min(len(outcome.generated), len(outcome.real))
        real = self.figure(outcome, outcome.real[:frames])
        if real < _FLAT:
            self.left_out += 1
        else:
            self.shares[outcome.name] = self.figure(outcome, outcome.generated[:frames]) / real

    def compute(self) -> Score:
        """Return the mean share."""
        shares = list(self.shares.values())
        return Score(
            value=float(np.mean(shares)) if shares else float("nan"),
            on_real=1.0,
            chance=None,
            n=len(shares),
            definition=f"{self.definition}, divided by that of the real frames; mean over clips; above 1: "
            "more than the real ones; clips whose real frames have none left out; on real: by definition",
            details={"left_out": self.left_out},
            clips=dict(self.shares),
        )

    def figure(self, outcome: Outcome, frames: Tensor) -> float:
        """Measure frames (V, 3, H, W) in [-1, 1], generated or real ones of a clip."""
        raise NotImplementedError


class Sharpness(Share):
    """The fine detail of generated frames: their Laplacian against that of the real frames."""

    def __init__(self, options: RegionOptions) -> None:
        super().__init__(options)
        self.region = options.region
        self.definition = f"mean absolute Laplacian (4 neighbours) of luma (Rec. 601) in the {options.region}"

    def figure(self, outcome: Outcome, frames: Tensor) -> float:
        """Average the absolute Laplacian over pixels and frames."""
        picture = crop(luma(unit(frames)), self.region)
        kernel = picture.new_tensor(_LAPLACIAN)[None, None]
        return float(F.conv2d(picture, kernel).abs().mean())


class Movement(Share):
    """How much changes over a clip: the deviation of each pixel, against that of the real frames."""

    def __init__(self, options: RegionOptions) -> None:
        super().__init__(options)
        self.region = options.region
        self.definition = (
            f"deviation over a clip's frames of the luma (Rec. 601) of each pixel in the {options.region}"
        )

    def figure(self, outcome: Outcome, frames: Tensor) -> float:
        """Average the deviation over time of all pixels."""
        return float(crop(luma(unit(frames)), self.region).std(0, unbiased=False).mean())


class MouthMovement(Share):
    """How much the mouth opens and closes, as an evaluator sees it, against the truth."""

    definition = (
        "deviation over a clip's frames of the mouth opening that the evaluator, trained on real faces, sees"
    )

    def figure(self, outcome: Outcome, frames: Tensor) -> float:
        """Return the deviation of the opening."""
        opening = ask(evaluator_of(outcome, "mouth_aperture"), frames)[:, 0]
        return float(opening.std(unbiased=False))


def crop(pictures: Tensor, region: str) -> Tensor:
    """Take the face (all of it), or the mouth: the lower half, less a quarter on either side."""
    height, width = pictures.shape[-2:]
    if region == "face":
        return pictures
    return pictures[..., height // 2 :, width // 4 : width - width // 4]
