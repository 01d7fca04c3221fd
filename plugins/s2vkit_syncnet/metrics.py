"""AV confidence, AV offset, LSE-C and LSE-D, all read off SyncNet's distances over shifts."""

from __future__ import annotations

from dataclasses import asdict
from statistics import fmean, median
from typing import Any, Literal

from torch import Tensor

from s2vkit import Metric, Outcome, Score
from s2vkit_syncnet import SyncOptions
from s2vkit_syncnet.distance import Reading, distances, ends_of, network_of, read, sync_embeddings

_MIN_WINDOWS = 3  # windows


class _Sync(Metric):
    """Base: one reading a clip, of generated frames, of true ones, and against another clip's speech.

    The chance figure sets each generated clip's lips beside the speech of the clip before it (the
    first beside the last's), cut to the shorter.
    """

    what = ""
    of: str = ""
    over: Literal["mean", "median"] = "mean"

    def __init__(self, options: SyncOptions) -> None:
        self.options = options
        self.names: list[str] = []
        self.generated: list[Reading] = []
        self.real: list[Reading] = []
        self.others: list[Reading] = []
        self.first: Tensor | None = None
        self.last: Tensor | None = None
        self.short = 0
        self.evaluator, self.ends = "", "zeros"

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        lips, sounds = sync_embeddings(outcome, "generated")
        if len(lips) < _MIN_WINDOWS:
            self.short += 1
            return
        self.evaluator, self.ends = (
            network_of(outcome.sync_evaluator),
            ends_of(self.options, outcome.sync_evaluator),
        )
        self.names.append(outcome.name)
        self.generated.append(self._read(lips, sounds))
        self.real.append(self._read(*sync_embeddings(outcome, "real")))
        if self.last is None:
            self.first = lips
        else:
            self.others.append(self._read(lips, self.last))
        self.last = sounds

    def compute(self) -> Score:
        """Return the figure over clips."""
        others = list(self.others)
        if self.first is not None and self.last is not None and len(self.generated) > 1:
            others.append(self._read(self.first, self.last))
        return Score(
            value=self.over_clips(self.generated) if self.generated else float("nan"),
            on_real=self.over_clips(self.real) if self.real else None,
            chance=self.over_clips(others) if others else None,
            n=len(self.generated),
            definition=f"{self.what}; {self._how()}; on real: of the real frames; chance: lips "
            f"beside the speech of another clip; {self.evaluator or 'no clip was long enough'}",
            details={
                "clips": [
                    {"name": name, "generated": asdict(generated), "real": asdict(real)}
                    for name, generated, real in zip(self.names, self.generated, self.real, strict=True)
                ],
                "left_out_too_short": self.short,
                **self.further(),
            },
            clips={
                name: float(getattr(reading, self.of))
                for name, reading in zip(self.names, self.generated, strict=True)
            },
            over=self.over,
        )

    def over_clips(self, readings: list[Reading]) -> float:
        """Bring the readings of all clips to one figure."""
        return fmean(float(getattr(r, self.of)) for r in readings)

    def further(self) -> dict[str, Any]:
        """Return more details."""
        return {
            "in_sync": fmean(r.in_sync for r in self.generated) if self.generated else None,
            "in_sync_on_real": fmean(r.in_sync for r in self.real) if self.real else None,
        }

    def _read(self, lips: Tensor, sounds: Tensor) -> Reading:
        count = min(len(lips), len(sounds))
        return read(distances(lips[:count], sounds[:count], self.options.search, self.ends))

    def _how(self) -> str:
        ends = "with zeros" if self.ends == "zeros" else "over what overlaps"
        return (
            "SyncNet's L2 distances of lips and speech, a mean over windows of 5 frames at 25 a "
            f"second, at shifts of up to {self.options.search} frames either way, {ends} at the "
            "ends"
        )


class AvConfidence(_Sync):
    """The median of the distances over shifts less the least, a mean over clips."""

    what, of = "AV confidence: median minus minimum distance, mean over clips", "confidence"


class LseC(AvConfidence):
    """LSE-C of Wav2Lip: the same figure by its other name."""

    what = "LSE-C: median minus minimum distance, mean over clips (AV confidence by another name)"


class LseD(_Sync):
    """LSE-D of Wav2Lip: the least distance over shifts, a mean over clips."""

    what, of = "LSE-D: minimum distance over shifts, mean over clips", "distance"


class AvOffset(_Sync):
    """The shift of the least distance: +n where the speech leads the lips by n frames."""

    what = (
        "AV offset: frames of 40 ms by which the speech leads the lips (negative: follows them) "
        "at the minimum distance, median over clips"
    )
    of = "offset"
    over = "median"

    def over_clips(self, readings: list[Reading]) -> float:
        """Return the median offset."""
        return float(median(r.offset for r in readings))

    def further(self) -> dict[str, Any]:
        """Return how many clips are in sync exactly and to within a frame."""
        return {
            f"{name}_{which}": fmean(abs(r.offset) <= limit for r in readings) if readings else None
            for which, readings in (("generated", self.generated), ("real", self.real))
            for name, limit in (("share_exact", 0), ("share_within_one", 1))
        }
