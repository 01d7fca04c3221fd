"""A trace of a few steps: what they spend their time on."""

from __future__ import annotations

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from s2vkit.interfaces.callback import Callback, TrainingState

TRACE = "trace.json"
SKIPPED, TRACED = 3, 3  # steps: the first ones pay for what is done once


class Profile(Callback):
    """Writes `trace.json` into a stage's folder, for chrome://tracing or ui.perfetto.dev."""

    trace: profile | None = None

    def on_train_start(self, state: TrainingState) -> None:
        """Begin to watch, if there are steps enough left."""
        if state.folder is None or state.total - state.step < SKIPPED + TRACED:
            return
        path = str(state.folder / TRACE)
        self.trace = profile(
            activities=[ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * torch.cuda.is_available()],
            schedule=schedule(wait=SKIPPED - 1, warmup=1, active=TRACED, repeat=1),
            on_trace_ready=lambda done: done.export_chrome_trace(path),
        )
        self.trace.start()

    def on_step_end(self, state: TrainingState) -> None:
        """Count a step; the trace is written after the last of those that are traced."""
        if self.trace is not None:
            self.trace.step()
            if self.trace.step_num > SKIPPED + TRACED:
                self.close()

    def close(self) -> None:
        """End the trace."""
        trace, self.trace = self.trace, None
        if trace is not None:
            trace.stop()
