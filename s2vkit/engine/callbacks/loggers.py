"""The loggers of a recipe: what is read of a stage's figures, and its pictures, goes to each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from s2vkit.interfaces.callback import Callback, TrainingState
from s2vkit.interfaces.logger import LoggedStage, Logger


class Loggers(Callback):
    """Opens loggers with a stage; they follow the stage's own log, which is always written."""

    def __init__(self, loggers: Sequence[Logger], run: Path, name: str, recipe: Mapping[str, Any]) -> None:
        self.loggers, self.run, self.name, self.recipe = loggers, run, name, recipe
        self.open: list[Logger] = []
        self._seen: dict[Path, int] = {}

    def on_train_start(self, state: TrainingState) -> None:
        """Open every logger."""
        stage = LoggedStage(self.run, self.name, state.stage, state.step, self.recipe)
        for logger in self.loggers:
            logger.open(stage)
            self.open.append(logger)
        self._seen = {path: path.stat().st_mtime_ns for path in self._pictures()}

    def on_metrics(self, state: TrainingState) -> None:
        """Add the figures of a step, and the pictures that were drawn since the last."""
        for logger in self.open:
            logger.scalars(state.step, state.values)
        for path in self._pictures():
            drawn = path.stat().st_mtime_ns
            if self._seen.get(path) != drawn:
                self._seen[path] = drawn
                for logger in self.open:
                    logger.picture(state.step, path.stem, path)

    def close(self) -> None:
        """End every logger that was opened."""
        while self.open:
            self.open.pop().close()

    def _pictures(self) -> list[Path]:
        return sorted((self.run / "samples").glob("*.png"))
