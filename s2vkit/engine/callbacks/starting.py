"""What a stage does once before its first step."""

from __future__ import annotations

from collections.abc import Callable

import torch

from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.callback import Callback, TrainingState
from s2vkit.interfaces.stage import Stage


class Starting(Callback):
    """Calls `Stage.start` with whole training clips, where the stage asks for some and no step is done."""

    def __init__(self, stage: Stage, clips: Callable[[], Batch | None]) -> None:
        self.stage, self.clips = stage, clips

    @torch.no_grad()
    def on_train_start(self, state: TrainingState) -> None:
        """Let the stage change what it will train."""
        clips = self.clips() if self.stage.start_with and state.step == 0 else None
        if clips is not None:
            self.stage.start(clips)
