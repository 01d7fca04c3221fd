"""How sharp generated frames are, and how much moves in them, relative to the real clips."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from s2vkit import Metric, Options, Outcome, Score
from s2vkit.nn import face_part
from s2vkit_metrics import RegionOptions
from s2vkit_metrics.evaluating import ask, evaluator_of
from s2vkit_metrics.likeness import luma, unit

_FLAT = 1e-6
_FEW, _ROWS = 4, 16  # frames, and rows of all frames, measured at once: they fit a core's cache


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
        real = self.figure(outcome, "real", frames)
        if real < _FLAT:
            self.left_out += 1
        else:
            self.shares[outcome.name] = self.figure(outcome, "generated", frames) / real

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

    def figure(self, outcome: Outcome, which: str, frames: int) -> float:
        """Measure the first `frames` frames of a clip, `generated` or `real`."""
        raise NotImplementedError


class Sharpness(Share):
    """The fine detail of generated frames: their Laplacian against that of the real frames."""

    def __init__(self, options: RegionOptions) -> None:
        super().__init__(options)
        self.region = options.region
        self.definition = f"mean absolute Laplacian (4 neighbours) of luma (Rec. 601) in the {options.region}"

    def figure(self, outcome: Outcome, which: str, frames: int) -> float:
        """Average the absolute Laplacian over pixels and frames."""
        parts = face_part(lumas(outcome, which)[:frames], self.region).split(_FEW)
        return float(torch.cat([laplacian(part).abs_().mean((1, 2, 3)) for part in parts]).mean())


class Movement(Share):
    """How much changes over a clip: the deviation of each pixel, against that of the real frames."""

    def __init__(self, options: RegionOptions) -> None:
        super().__init__(options)
        self.region = options.region
        self.definition = (
            f"deviation over a clip's frames of the luma (Rec. 601) of each pixel in the {options.region}"
        )

    def figure(self, outcome: Outcome, which: str, frames: int) -> float:
        """Average the deviation over time of all pixels."""
        parts = face_part(lumas(outcome, which)[:frames], self.region).split(_ROWS, dim=-2)
        return float(
            torch.cat([(part - part.mean(0)).square_().mean(0).sqrt_() for part in parts], -2).mean()
        )


class MouthMovement(Share):
    """How much the mouth opens and closes, as an evaluator sees it, against the truth."""

    definition = (
        "deviation over a clip's frames of the mouth opening that the evaluator, trained on real faces, sees"
    )

    def figure(self, outcome: Outcome, which: str, frames: int) -> float:
        """Return the deviation of the opening."""
        seen = getattr(outcome, which)[:frames]
        opening = ask(evaluator_of(outcome, "mouth_aperture"), seen)[:, 0]
        return float(opening.std(unbiased=False))


def lumas(outcome: Outcome, which: str) -> Tensor:
    """Return the luma (V, 1, H, W), in [0, 1], of a clip's `generated` or `real` frames.

    Kept with the clip, so that several metrics compute it once.
    """
    key = f"luma.{which}"
    if key not in outcome.shared:
        frames: Tensor = getattr(outcome, which)
        found = torch.empty(len(frames), 1, *frames.shape[2:], device=frames.device)
        for part, out in zip(frames.split(_FEW), found.split(_FEW), strict=True):
            out.copy_(luma(unit(part)))
        outcome.shared[key] = found
    kept: Tensor = outcome.shared[key]
    return kept


def laplacian(pictures: Tensor) -> Tensor:
    """Return four times each inner pixel less its neighbours: (N, C, H - 2, W - 2)."""
    found = 4 * pictures[..., 1:-1, 1:-1]
    found -= pictures[..., 1:-1, :-2]
    found -= pictures[..., 1:-1, 2:]
    found -= pictures[..., :-2, 1:-1]
    return found.sub_(pictures[..., 2:, 1:-1])
