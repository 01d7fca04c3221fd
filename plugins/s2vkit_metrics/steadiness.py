"""Whether the mouth moves the same under a changed recording of the same speech."""

from __future__ import annotations

from statistics import fmean

import numpy as np

from s2vkit import Metric, Options, Outcome, Score
from s2vkit_metrics.evaluating import ask, evaluator_of
from s2vkit_metrics.mouth import pearson

_MIN_FRAMES = 3


class MouthAgainstClean(Metric):
    """Pearson's r between the mouth drawn from a changed recording and from the recording itself.

    A mean over clips, by the opening that an evaluator sees. Clips whose mouth does not move in
    the clean drawing are left out.
    """

    def __init__(self, options: Options) -> None:
        self.clips: dict[str, float] = {}

    def update(self, outcome: Outcome) -> None:
        """Add one clip; where the recording is not changed, both drawings are one."""
        evaluator = evaluator_of(outcome, "mouth_aperture")
        changed = ask(evaluator, outcome.generated)[:, 0].float().numpy()
        clean = changed
        if outcome.clean is not None:
            clean = ask(evaluator, outcome.clean)[:, 0].float().numpy()
        if len(clean) >= _MIN_FRAMES and float(np.std(clean)) > 0:
            self.clips[outcome.name] = pearson(changed, clean)

    def compute(self) -> Score:
        """Return the mean correlation over clips."""
        return Score(
            value=fmean(self.clips.values()) if self.clips else float("nan"),
            on_real=None,
            chance=None,
            n=len(self.clips),
            definition="Pearson's r over a clip's frames between the mouth opening that the evaluator sees "
            "in frames generated from a changed recording and from the recording itself; mean over clips",
            clips=self.clips,
        )
