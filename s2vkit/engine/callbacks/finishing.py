"""The last change of a stage to what it trained, after the last step."""

from __future__ import annotations

from collections.abc import Callable

import torch

from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.callback import Callback, TrainingState
from s2vkit.interfaces.stage import Stage


class Finishing(Callback):
    """Calls `Stage.finish` with whole training clips, where the stage asks for some."""

    def __init__(self, stage: Stage, clips: Callable[[], Batch | None]) -> None:
        self.stage, self.clips = stage, clips

    @torch.no_grad()
    def on_train_end(self, state: TrainingState) -> None:
        """Let the stage change its weights, all modules in eval mode."""
        clips = self.clips() if self.stage.finish_with else None
        if clips is None:
            return
        for module in state.modules.values():
            module.eval()
        self.stage.finish(clips)
