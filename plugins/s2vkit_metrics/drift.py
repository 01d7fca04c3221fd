"""Drift of identity: how far a face moves away from itself over a long video, as a face network sees it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from s2vkit import Drift, Outcome, Score, Windowed
from s2vkit_metrics import IdentityDriftOptions
from s2vkit_metrics.embedding import embed
from s2vkit_metrics.evaluating import evaluator_of


class IdentityDrift(Drift):
    """One less the cosine of the mean embeddings of first and last seconds; 0: the same face."""

    def __init__(self, options: IdentityDriftOptions) -> None:
        super().__init__(options.window, options.minutes)

    def compute(self) -> Score:
        """Return the mean over clips."""
        return self.score(
            "drift of identity: one less the cosine of the mean embeddings, by the evaluator 'identity'"
        )

    def windowed(self, outcome: Outcome, which: str) -> Windowed:
        """Embed frames by the evaluator of identity."""
        evaluator, frames = evaluator_of(outcome, "identity"), getattr(outcome, which)

        def mean(first: int, end: int) -> Tensor:
            return F.normalize(F.normalize(embed(evaluator, frames[first:end]), dim=1).mean(0), dim=0)

        return Windowed(len(frames), outcome.fps, mean)

    def apart(self, first: Tensor, other: Tensor) -> float:
        """Compare two mean embeddings."""
        return 1 - float(first @ other)
