"""The log of a stage, and the live view of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from s2vkit.engine.log import Log
from s2vkit.interfaces.callback import Callback, TrainingState

Show = Callable[[int, int, Mapping[str, float]], None]


class Logging(Callback):
    """Writes the metrics of the steps that are read to `log.jsonl`, from the checkpoint on."""

    log: Log | None = None

    def on_train_start(self, state: TrainingState) -> None:
        """Open the log; lines after the checkpoint are dropped."""
        if state.folder is not None:
            self.log = Log(state.folder / "log.jsonl", since=state.step)

    def on_metrics(self, state: TrainingState) -> None:
        """Add a line."""
        if self.log is not None:
            self.log.write(state.step, state.values)

    def on_checkpoint(self, state: TrainingState) -> None:
        """Bring every line to the disk before the checkpoint that follows it."""
        if self.log is not None:
            self.log.flush()

    def close(self) -> None:
        """Close the file."""
        if self.log is not None:
            self.log.close()


class Progress(Callback):
    """Shows metrics in the live view, those that matter most first."""

    def __init__(self, show: Show, first: Sequence[str] = ()) -> None:
        self.show, self.first = show, first

    def on_metrics(self, state: TrainingState) -> None:
        """Show the metrics of a step."""
        known = [name for name in self.first if name in state.values]
        ordered = {name: state.values[name] for name in dict.fromkeys([*known, *state.values])}
        self.show(state.step, state.total, ordered)
