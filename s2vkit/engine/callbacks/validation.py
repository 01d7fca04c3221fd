"""Metrics of held-out clips, every so many steps."""

from __future__ import annotations

from collections.abc import Callable

import torch

from s2vkit.device import Policy
from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.callback import Callback, TrainingState
from s2vkit.interfaces.stage import Stage


class Validation(Callback):
    """Adds `val.NAME`, measured with all modules in eval mode, as they will be used."""

    def __init__(self, stage: Stage, policy: Policy, held_out: Callable[[], Batch | None]) -> None:
        self.stage, self.policy, self.held_out = stage, policy, held_out
        self.clips: Batch | None = None

    def on_train_start(self, state: TrainingState) -> None:
        """Load the held-out clips, always the same."""
        self.clips = self.held_out() if self.stage.validate_every else None

    def on_step_end(self, state: TrainingState) -> None:
        """Measure, if it is time to."""
        due = state.last or state.step % max(1, self.stage.validate_every) == 0
        if self.clips is not None and due:
            state.metrics |= self._measure(state, self.clips)
            state.read_now = True

    @torch.no_grad()
    def _measure(self, state: TrainingState, clips: Batch) -> dict[str, torch.Tensor]:
        for module in state.modules.values():
            module.eval()
        with self.policy.autocast():
            found = self.stage.validate(clips)
        for module in state.modules.values():
            module.train()
        return {f"val.{name}": value for name, value in found.items()}
