"""Drift of the AV offset: whether lips and speech move apart over a long video."""

from __future__ import annotations

from s2vkit import Drift, Outcome, Score, Windowed
from s2vkit_syncnet import AvOffsetDriftOptions
from s2vkit_syncnet.distance import distances, ends_of, network_of, read, sync_embeddings


class AvOffsetDrift(Drift):
    """The difference, in frames of 40 ms, of the offsets of first and last seconds; 0: none."""

    def __init__(self, options: AvOffsetDriftOptions) -> None:
        super().__init__(options.window, options.minutes)
        self.options = options
        self.evaluator = ""

    def compute(self) -> Score:
        """Return the mean over clips."""
        evaluator = f"; {self.evaluator}" if self.evaluator else ""
        return self.score(
            "drift of the AV offset: absolute difference, in frames of 40 ms, of the shifts of up to "
            f"{self.options.search} frames at which lips and speech are nearest{evaluator}"
        )

    def windowed(self, outcome: Outcome, which: str) -> Windowed:
        """Find the offset by the sync evaluator, window by window."""
        lips, sounds = sync_embeddings(outcome, which)
        self.evaluator = network_of(outcome.sync_evaluator)
        ends = ends_of(self.options, outcome.sync_evaluator)

        def offset(first: int, end: int) -> int:
            return read(distances(lips[first:end], sounds[first:end], self.options.search, ends)).offset

        return Windowed(min(len(lips), len(sounds)), outcome.sync_evaluator.fps, offset)

    def apart(self, first: int, other: int) -> float:
        """Compare two offsets."""
        return float(abs(first - other))
