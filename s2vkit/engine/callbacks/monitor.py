"""Early warnings: metrics that have been outside their range for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from s2vkit.engine.log import read_log
from s2vkit.errors import TrainingError
from s2vkit.interfaces.callback import Callback, TrainingState
from s2vkit.interfaces.stage import Threshold

_NAMED = 4  # clips that a message names

Crossed = tuple[Threshold, float]  # a threshold and the mean outside it


class Monitor(Callback):
    """Compares the means of metrics with a stage's thresholds.

    It averages the lines of the log, so a resumed stage is monitored as an uninterrupted one.
    """

    def __init__(self, thresholds: Sequence[Threshold], warn: Callable[[str], None]) -> None:
        self.thresholds, self.warn = thresholds, warn
        self.recent: dict[str, deque[tuple[int, float]]] = {t.metric: deque() for t in thresholds}
        self.warned: set[str] = set()

    def on_train_start(self, state: TrainingState) -> None:
        """Read the log; warnings are not repeated."""
        if state.folder is not None and self.thresholds:
            for line in read_log(state.folder / "log.jsonl"):
                if line["step"] <= state.step:
                    self._newly_crossed(line["step"], line)

    def on_metrics(self, state: TrainingState) -> None:
        """Check the metrics of a step; warn, or raise TrainingError."""
        for threshold, mean in self._newly_crossed(state.step, state.values):
            text = f"stage '{state.stage}', step {state.step}: {threshold.metric} was {mean:.3g} on "
            text += f"average over {threshold.steps} steps: {threshold.meaning}"
            if threshold.stops:
                raise TrainingError(
                    f"{text}; clips of this step: {first_few(state.clip_names())}",
                    hint="the last good checkpoint is kept; change the learning rates, or let it "
                    "continue by the stage's own option",
                )
            self.warn(text)

    def _newly_crossed(self, step: int, values: Mapping[str, Any]) -> list[Crossed]:
        for name, recent in self.recent.items():
            if name in values:
                recent.append((step, float(values[name])))
        found = []
        for threshold in self.thresholds:
            mean = self._mean(threshold, step)
            if mean is None:
                continue
            if threshold.minimum <= mean <= threshold.maximum:
                self.warned.discard(threshold.metric)
            elif threshold.metric not in self.warned:
                self.warned.add(threshold.metric)
                found.append((threshold, mean))
        return found

    def _mean(self, threshold: Threshold, step: int) -> float | None:
        """Average a metric over the last steps; None while there are too few."""
        recent = self.recent[threshold.metric]
        while recent and recent[0][0] <= step - threshold.steps:
            recent.popleft()
        if step < threshold.steps or not recent:
            return None
        return sum(value for _, value in recent) / len(recent)


def first_few(names: Sequence[str]) -> str:
    """List the first few names."""
    return ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
