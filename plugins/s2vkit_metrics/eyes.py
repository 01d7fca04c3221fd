"""Blinks: how often and how long the eyes are shut, as an evaluator of real faces sees them."""

from __future__ import annotations

from statistics import fmean

import numpy as np

from s2vkit import Metric, Outcome, Score
from s2vkit_metrics import BlinksOptions
from s2vkit_metrics.evaluating import ask, evaluator_of


class Blinks(Metric):
    """Blinks a second; no landmarks, but an evaluator that regresses how far the lids are shut."""

    def __init__(self, options: BlinksOptions) -> None:
        self.options = options
        self.generated: list[list[float]] = []  # of each clip, the seconds of each blink
        self.real: list[list[float]] = []
        self.seconds: list[float] = []

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        evaluator = evaluator_of(outcome, "eyelid_closure")
        frames = min(len(outcome.generated), len(outcome.real))
        for found, frames_of in ((self.generated, outcome.generated), (self.real, outcome.real)):
            closure = ask(evaluator, frames_of[:frames])[:, 0].double().numpy()
            found.append([n / outcome.fps for n in blinks(closure, self.options)])
        self.seconds.append(frames / outcome.fps)

    def compute(self) -> Score:
        """Return the blinks a second over all clips together."""
        o = self.options
        return Score(
            value=self._rate(self.generated) if self.seconds else float("nan"),
            on_real=self._rate(self.real) if self.seconds else None,
            chance=None,
            n=len(self.seconds),
            definition=f"blinks a second, over the seconds of all clips: the lids, as the evaluator "
            f"'eyelid_closure', trained on real faces, sees them, shut to more than {o.close_above:g} and "
            f"then open again below {o.open_below:g}; one at a clip's end counts; on real: of the true "
            "frames; a blink lasts from the first frame above to the last before below",
            details={
                "duration_generated": _mean_of(self.generated),
                "duration_real": _mean_of(self.real),
                "unit_of_duration": "s",
                "seconds": sum(self.seconds),
            },
        )

    def _rate(self, clips: list[list[float]]) -> float:
        return sum(map(len, clips)) / max(sum(self.seconds), 1e-9)


def blinks(closure: np.ndarray, options: BlinksOptions) -> list[int]:
    """Find the blinks in a track (V,) of how far lids are shut: the frames that each lasts."""
    found: list[int] = []
    closed = False
    for value in closure:
        if not closed and value > options.close_above:
            closed = True
            found.append(0)
        elif closed and value < options.open_below:
            closed = False
        if closed:
            found[-1] += 1
    return found


def _mean_of(clips: list[list[float]]) -> float | None:
    every = [seconds for clip in clips for seconds in clip]
    return fmean(every) if every else None
