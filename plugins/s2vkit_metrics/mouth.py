"""Whether the mouth opens when the speaker's did."""

from __future__ import annotations

from statistics import fmean
from typing import NamedTuple

import numpy as np

from s2vkit import InputError, Metric, Options, Outcome, Score
from s2vkit_metrics.evaluating import ask, evaluator_of

_MIN_FRAMES = 3
_SHIFTS = 8
_FLAT = 1e-6


class _Track(NamedTuple):
    name: str
    generated: np.ndarray  # (V,) the evaluator's figure of generated frames
    real: np.ndarray  # (V,) of real frames
    truth: np.ndarray  # (V,)


class MouthApertureCorrelation(Metric):
    """Pearson's r between the opening an evaluator sees in each made frame and the true opening.

    A mean over clips. Clips whose true opening is constant, or shorter than 3 frames, are left
    out and counted; a generated clip whose mouth never moves counts as r = 0. Chance is measured:
    each generated clip against the truth of the next clips (up to 8), cut to the shorter, so what
    all clips share, such as closed mouths at the start, does not count as success.
    """

    def __init__(self, options: Options) -> None:
        self.tracks: list[_Track] = []
        self.constant = 0
        self.unknown: list[str] = []  # clips whose true opening is not known

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        if "mouth_aperture" not in outcome.truth:
            self.unknown.append(outcome.name)
            return
        truth = np.asarray(outcome.truth["mouth_aperture"], dtype=np.float64)
        frames = min(len(truth), len(outcome.generated), len(outcome.real))
        truth = truth[:frames]
        if frames < _MIN_FRAMES or np.std(truth) < _FLAT:
            self.constant += 1
            return
        evaluator = evaluator_of(outcome, "mouth_aperture")
        generated = ask(evaluator, outcome.generated[:frames])[:, 0].double().numpy()
        real = ask(evaluator, outcome.real[:frames])[:, 0].double().numpy()
        self.tracks.append(_Track(outcome.name, generated, real, truth))

    def compute(self) -> Score:
        """Return the mean correlation over clips."""
        if self.unknown and not self.tracks and not self.constant:
            raise InputError(
                f"clip '{self.unknown[0]}': the dataset brings no true 'mouth_aperture'",
                hint="leave 'mouth_aperture_correlation' out of the metrics of this recipe",
            )
        generated = [pearson(t.generated, t.truth) for t in self.tracks]
        real = [pearson(t.real, t.truth) for t in self.tracks]
        others = self._shuffled()
        still = sum(float(np.std(t.generated)) < _FLAT for t in self.tracks)
        return Score(
            value=fmean(generated) if generated else float("nan"),
            on_real=fmean(real) if real else None,
            chance=fmean(others) if others else None,
            n=len(self.tracks),
            definition="Pearson's r over a clip's frames between the mouth opening that the evaluator, "
            "trained on real faces, sees in generated frames and the true opening; mean over clips; "
            "clips of constant truth left out; on real: the same on the real frames; chance: "
            "against the truth of the next clips, up to 8",
            details={
                "left_out_constant_truth": self.constant,
                "left_out_unknown_truth": len(self.unknown),
                "still_mouths": still,
            },
            clips=dict(zip([t.name for t in self.tracks], generated, strict=True)),
        )

    def _shuffled(self) -> list[float]:
        n = len(self.tracks)
        return [
            pearson(track.generated, self.tracks[(i + shift) % n].truth)
            for i, track in enumerate(self.tracks)
            for shift in range(1, min(n, _SHIFTS + 1))
        ]


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's r of two series, cut to the shorter; 0 where either is constant."""
    length = min(len(a), len(b))
    a, b = a[:length] - np.mean(a[:length]), b[:length] - np.mean(b[:length])
    if length < _MIN_FRAMES or np.std(a) < _FLAT or np.std(b) < _FLAT:
        return 0.0
    return float(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)))
