"""The contract of a callback: what is done beside the training step, at fixed points of the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn


@dataclass
class TrainingState:
    """Where a stage's training is; one object lives as long as the training does."""

    stage: str  # the stage's name
    total: int  # steps of the whole stage
    modules: Mapping[str, nn.Module]  # those that are trained, by name
    clip_names: Callable[[], list[str]]  # clips of the last step; those that are not finite, if any
    folder: Path | None = None  # of the stage in its run; none in a dry run
    step: int = 0  # steps that are done
    metrics: dict[str, Tensor] = field(default_factory=dict)  # of the last step, on the device
    values: dict[str, float] = field(default_factory=dict)  # the same, where they were read
    read_now: bool = False  # set in `on_step_end` to have the metrics of this step read
    averaged: dict[str, nn.Module] = field(default_factory=dict)  # running means, by module name
    ended: bool = False  # set in `on_train_start` or `on_step_end` to end training early

    @property
    def last(self) -> bool:
        """Return whether all steps are done, or training ends early."""
        return self.ended or self.step >= self.total


class Callback:
    """Base of callbacks; each method does nothing unless it is overridden."""

    def on_train_start(self, state: TrainingState) -> None:
        """Prepare, before the first step and after the checkpoint has been loaded."""

    def on_step_end(self, state: TrainingState) -> None:
        """Act after every step; may add to `state.metrics`. Reading them makes a GPU wait."""

    def on_metrics(self, state: TrainingState) -> None:
        """Use `state.values`; called only after steps whose metrics were read."""

    def on_checkpoint(self, state: TrainingState) -> None:
        """Act before a checkpoint is written."""

    def on_train_end(self, state: TrainingState) -> None:
        """Change the weights or conclude, after the last step and before they are saved."""

    def modules(self) -> dict[str, nn.Module]:
        """Name modules that a checkpoint must hold for this callback to resume."""
        return {}

    def close(self) -> None:
        """Release what `on_train_start` opened; called however training ends."""
