"""Drift of identity: how far a face moves away from itself over a long video, as a face network sees it."""

from __future__ import annotations

from statistics import fmean

import torch.nn.functional as F
from torch import Tensor

from s2vkit import Metric, Outcome, Score
from s2vkit_metrics import IdentityDriftOptions
from s2vkit_metrics.embedding import embed
from s2vkit_metrics.evaluating import evaluator_of


class IdentityDrift(Metric):
    """One less the cosine of the mean embeddings of a clip's first and last seconds; 0: the same face.

    The details hold the same for windows that end at given minutes, over the clips that last so long.
    """

    def __init__(self, options: IdentityDriftOptions) -> None:
        self.options = options
        self.generated: dict[str, float] = {}
        self.real: list[float] = []
        self.at: dict[float, list[float]] = {minute: [] for minute in options.minutes}
        self.short: dict[str, str] = {}

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        window = max(1, round(self.options.window * outcome.fps))
        if len(outcome.generated) < 2 * window:
            self.short[outcome.name] = f"it is shorter than two windows of {self.options.window:g} s"
            return
        evaluator = evaluator_of(outcome, "identity")

        def mean(frames: Tensor, end: int) -> Tensor:
            return F.normalize(
                F.normalize(embed(evaluator, frames[end - window : end]), dim=1).mean(0), dim=0
            )

        first = mean(outcome.generated, window)
        self.generated[outcome.name] = _apart(first, mean(outcome.generated, len(outcome.generated)))
        if len(outcome.real) >= 2 * window:
            self.real.append(_apart(mean(outcome.real, window), mean(outcome.real, len(outcome.real))))
        for minute, found in self.at.items():
            end = round(60 * minute * outcome.fps)
            if window < end <= len(outcome.generated):
                found.append(_apart(first, mean(outcome.generated, end)))

    def compute(self) -> Score:
        """Return the mean over clips."""
        values = list(self.generated.values())
        return Score(
            value=fmean(values) if values else float("nan"),
            on_real=fmean(self.real) if self.real else None,
            chance=None,
            n=len(values),
            definition="drift of identity: one less the cosine of the mean embeddings, by the evaluator "
            f"'identity', of the first and the last {self.options.window:g} s; mean over clips; shorter "
            "clips left out; on real: of the real frames; details: the same at given minutes",
            details={
                "at_minutes": {
                    f"{minute:g}": {"drift": fmean(found), "clips": len(found)}
                    for minute, found in self.at.items()
                    if found
                },
                "left_out": len(self.short),
                "why_left_out": dict(self.short),
            },
            clips=dict(self.generated),
        )


def _apart(one: Tensor, other: Tensor) -> float:
    return 1 - float(one @ other)
