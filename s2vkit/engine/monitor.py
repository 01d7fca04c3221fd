"""Early warnings: figures that have gone astray for long, and clips that hold no numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from s2vkit.errors import TrainingError
from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.stage import Limit

_SHOWN = 4  # clips that are named


class Watchdog:
    """Follows the figures of a stage and compares their means with its limits.

    What it remembers are the log's own lines, so a resumed stage is watched as an unbroken one.
    """

    def __init__(
        self,
        stage: str,
        limits: Sequence[Limit],
        lines: Sequence[Mapping[str, Any]],
        warn: Callable[[str], None],
    ) -> None:
        self.stage, self.limits, self.warn = stage, limits, warn
        self.held: dict[str, deque[tuple[int, float]]] = {x.figure: deque() for x in limits}
        self.told: set[str] = set()
        for line in lines:
            self._take(line["step"], line)
            self._astray(line["step"])  # what was told before is not told again

    def look(self, step: int, figures: Mapping[str, float], names: Callable[[], list[str]]) -> None:
        """Take in the figures after `step` steps; warn, or raise TrainingError."""
        self._take(step, figures)
        for limit, mean in self._astray(step):
            said = f"stage '{self.stage}', step {step}: {limit.figure} was {mean:.3g} on average "
            said += f"over {limit.steps} steps: {limit.says}"
            if limit.stops:
                raise TrainingError(
                    f"{said}; clips of this step: {some(names())}",
                    hint="the last good checkpoint is kept; change the learning rates, or let it "
                    "go on by the stage's own option",
                )
            self.warn(said)

    def _take(self, step: int, figures: Mapping[str, Any]) -> None:
        for name, held in self.held.items():
            if name in figures:
                held.append((step, float(figures[name])))

    def _astray(self, step: int) -> list[tuple[Limit, float]]:
        found = []
        for limit in self.limits:
            held = self.held[limit.figure]
            while held and held[0][0] <= step - limit.steps:
                held.popleft()
            if step < limit.steps or not held:
                continue
            mean = sum(value for _, value in held) / len(held)
            right = limit.low <= mean <= limit.high
            if right:
                self.told.discard(limit.figure)
            elif limit.figure not in self.told:
                self.told.add(limit.figure)
                found.append((limit, mean))
        return found


def suspects(clips: Batch) -> list[str]:
    """Name the clips of a batch that hold what is no number, or else all of them."""
    held = [value for value in vars(clips).values() if isinstance(value, Tensor)]
    held += [*clips.maps, *clips.targets.values()]
    bad = {
        name
        for value in held
        if len(value) == len(clips.names) and value.is_floating_point()
        for name, row in zip(clips.names, value, strict=True)
        if not bool(row.isfinite().all())
    }
    return [name for name in clips.names if name in bad] or clips.names


def some(names: Sequence[str]) -> str:
    """Write down the first few names."""
    return ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
