"""The contract of a logger: where a run's figures and pictures go, beside its own files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LoggedStage:
    """The stage that a logger is opened for."""

    folder: Path  # the run folder; what a logger writes to the disk goes there
    run: str  # what the run is called
    stage: str
    step: int = 0  # from which it goes on; 0: it begins
    recipe: Mapping[str, Any] = field(default_factory=dict)  # in full, as plain data


class Logger:
    """Base of loggers, built as `Logger(options)`; opened once a stage, by the process that writes.

    A stage that goes on from a checkpoint repeats the steps after it: a logger should replace them.
    """

    def open(self, stage: LoggedStage) -> None:
        """Begin a stage. Raises ResourceError if a package is not installed."""
        raise NotImplementedError

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add the figures of a step."""
        raise NotImplementedError

    def picture(self, step: int, name: str, path: Path) -> None:
        """Add a picture, a PNG file; by default it is left out."""

    def close(self) -> None:
        """End the stage, however it ended."""
