"""The base of metrics of drift: what moves away over a video, however many clips it was cut into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from s2vkit.interfaces.metric import Metric, Outcome, Score


@dataclass(frozen=True)
class Windowed:
    """Something of a clip that is measured in windows."""

    length: int  # of the whole clip, in its own steps
    rate: float  # steps a second
    measure: Callable[[int, int], Any]  # the steps [first, end) -> what is compared


class Drift(Metric):
    """Base: how far the last window of each clip is from the first window of its video.

    The details hold the same for windows that end at given minutes of a video.
    """

    def __init__(self, window: float, minutes: Sequence[float]) -> None:
        self.window = window  # s
        self.firsts: dict[str, dict[str, Any]] = {"generated": {}, "real": {}}  # by video
        self.generated: dict[str, float] = {}
        self.real: list[float] = []
        self.at: dict[float, list[float]] = {minute: [] for minute in minutes}
        self.short: dict[str, str] = {}

    def update(self, outcome: Outcome) -> None:
        """Add one clip; those of one video come in their order."""
        shown = self.windowed(outcome, "generated")
        value = self._from_first(outcome, "generated", shown)
        if value is None:
            self.short[outcome.name] = f"it is shorter than two windows of {self.window:g} s"
            return
        self.generated[outcome.name] = value
        if len(outcome.real):
            real = self._from_first(outcome, "real", self.windowed(outcome, "real"))
            self.real += [] if real is None else [real]
        first, window = self._first(outcome, "generated", shown), self._steps(shown)
        for minute, found in self.at.items():
            end = round((60 * minute - outcome.start) * shown.rate)
            if window <= end <= shown.length and outcome.start * shown.rate + end > window:
                found.append(self.apart(first, shown.measure(end - window, end)))

    def _steps(self, shown: Windowed) -> int:
        return max(1, round(self.window * shown.rate))

    def _first(self, outcome: Outcome, which: str, shown: Windowed) -> Any:
        """Return the first window of the clip's video, from the first clip that has one."""
        firsts, video = self.firsts[which], outcome.video or outcome.name
        if video not in firsts:
            firsts[video] = shown.measure(0, self._steps(shown))
        return firsts[video]

    def _from_first(self, outcome: Outcome, which: str, shown: Windowed) -> float | None:
        begun = (outcome.video or outcome.name) in self.firsts[which]
        if shown.length < self._steps(shown) * (1 if begun else 2):
            return None
        first = self._first(outcome, which, shown)
        return self.apart(first, shown.measure(shown.length - self._steps(shown), shown.length))

    def score(self, what: str) -> Score:
        """Return the mean over clips; `what` says what is compared."""
        values = list(self.generated.values())
        return Score(
            value=fmean(values) if values else float("nan"),
            on_real=fmean(self.real) if self.real else None,
            chance=None,
            n=len(values),
            definition=f"{what}, of the first {self.window:g} s of a video and the last {self.window:g} s of "
            "each of its clips; mean over clips; shorter clips left out; on real: of the real frames; "
            "details: the same at given minutes",
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

    def windowed(self, outcome: Outcome, which: str) -> Windowed:
        """Return what is measured in the windows of a clip's `generated` or `real` frames."""
        raise NotImplementedError

    def apart(self, first: Any, other: Any) -> float:
        """Return how far apart two windows are."""
        raise NotImplementedError
