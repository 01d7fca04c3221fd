"""How sharp generated frames are, and how much moves in them, relative to the real clips."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from s2vkit import Metric, Options, Outcome, Score
from s2vkit_metrics import RegionOptions
from s2vkit_metrics.evaluating import ask, evaluator_of
from s2vkit_metrics.likeness import luma, unit

_FLAT = 1e-6
_FEW = 8  # frames measured at once: they fit a core's cache


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
        parts = [laplacian(part).abs().mean((1, 2, 3)) for part in shades(frames, self.region)]
        return float(torch.cat(parts).mean())


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
        whole = torch.cat(list(shades(frames, self.region)))
        return float(whole.std(0, unbiased=False).mean())


class MouthMovement(Share):
    """How much the mouth opens and closes, as an evaluator sees it, against the truth."""

    definition = (
        "deviation over a clip's frames of the mouth opening that the evaluator, trained on real faces, sees"
    )

    def figure(self, outcome: Outcome, frames: Tensor) -> float:
        """Return the deviation of the opening."""
        opening = ask(evaluator_of(outcome, "mouth_aperture"), frames)[:, 0]
        return float(opening.std(unbiased=False))


def shades(frames: Tensor, region: str) -> Iterator[Tensor]:
    """Return the luma (n, 1, h, w), in [0, 1], of a region of (V, 3, H, W) frames, a few at a time."""
    for part in crop(frames, region).split(_FEW):
        yield luma(unit(part))


def laplacian(pictures: Tensor) -> Tensor:
    """Return four times each inner pixel less its neighbours: (N, C, H - 2, W - 2)."""
    inner = 4 * pictures[..., 1:-1, 1:-1]
    beside = pictures[..., 1:-1, :-2] + pictures[..., 1:-1, 2:]
    return inner - beside - pictures[..., :-2, 1:-1] - pictures[..., 2:, 1:-1]


def crop(pictures: Tensor, region: str) -> Tensor:
    """Take the face (all of it), or the mouth: the lower half, less a quarter on either side."""
    height, width = pictures.shape[-2:]
    if region == "face":
        return pictures
    return pictures[..., height // 2 :, width // 4 : width - width // 4]
