"""How close the figures of generated faces come to those of real ones."""

from __future__ import annotations

from statistics import fmean

from s2vkit import Metric, Outcome, Score
from s2vkit_dynamics import ClosenessOptions
from s2vkit_dynamics.definitions import closeness
from s2vkit_dynamics.measured import FIGURES, OfFaces


class Closeness(Metric):
    """The mean over figures of 1 - |generated - real| / |real|, of the whole set; 1: as real."""

    def __init__(self, options: ClosenessOptions) -> None:
        self.metrics: dict[str, OfFaces] = {name: FIGURES[name]() for name in options.of}
        self.names: list[str] = []

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        self.names.append(outcome.name)
        for metric in self.metrics.values():
            metric.update(outcome)

    def compute(self) -> Score:
        """Return the mean; details hold each figure's closeness."""
        scores = {name: metric.compute() for name, metric in self.metrics.items()}
        found = {
            name: closeness(score.value, score.on_real)
            for name, score in scores.items()
            if score.n and score.on_real is not None
        }
        known = {name: value for name, value in found.items() if value is not None}
        return Score(
            value=fmean(known.values()) if known else float("nan"),
            on_real=1.0 if known else None,
            chance=None,
            n=len(self.names) if known else 0,
            definition="mean closeness: 1 - |m(generated) - m(real)| / |m(real)| with m the mean over "
            f"clips, a mean over {', '.join(self.metrics)}; figures that real clips have none of left "
            "out; on real: by definition",
            details={
                "closeness": found,
                "generated": {name: score.value for name, score in scores.items() if score.n},
                "real": {name: score.on_real for name, score in scores.items()},
            },
        )
