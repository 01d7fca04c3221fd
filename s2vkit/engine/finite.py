"""Training ends where a metric or a weight is no longer finite, and the clips are named."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from s2vkit.engine.callbacks.monitor import first_few
from s2vkit.errors import TrainingError
from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.callback import TrainingState

NORM = "gradient_norm."  # an overflow of fp16 is expected now and then; then nothing is updated


def check_metrics(state: TrainingState) -> None:
    """Read the metrics of a step into `state.values`; raise TrainingError unless all are finite."""
    values = {name: float(value) for name, value in state.metrics.items()}
    wrong = [name for name, value in values.items() if not math.isfinite(value)]
    _give_up(state, [name for name in wrong if not name.startswith(NORM)])
    state.values = {name: value for name, value in values.items() if name not in wrong}


def check_weights(state: TrainingState) -> None:
    """Raise TrainingError if weights are not finite, though the loss before them still was."""
    _give_up(state, _lost(state))


def _lost(state: TrainingState) -> list[str]:
    return [name for name, module in state.modules.items() if not _finite(module)]


def _give_up(state: TrainingState, wrong: list[str]) -> None:
    if not wrong:
        return
    modules = _lost(state)
    lost = f"; weights lost: {', '.join(modules)}" if modules and modules != wrong else ""
    raise TrainingError(
        f"stage '{state.stage}', step {state.step}: {', '.join(wrong)} is no longer a number"
        f"{lost}; clips of this step: {first_few(state.clip_names())}",
        hint="the last good checkpoint is kept; lower a learning rate and run again",
    )


def _finite(module: nn.Module) -> bool:
    return all(bool(p.isfinite().all()) for p in module.state_dict().values())


def suspects(batches: Sequence[Batch]) -> list[str]:
    """Name the clips that hold values which are not finite; all clips, if there are none."""
    bad = [name for batch in batches for name in _not_finite(batch)]
    return bad or [name for batch in batches for name in batch.names]


def _not_finite(batch: Batch) -> list[str]:
    tensors = [*batch.labels.values(), *batch.tensors()]
    bad = {
        name
        for values in tensors
        if len(values) == len(batch.names) and values.is_floating_point()
        for name, row in zip(batch.names, values, strict=True)
        if not bool(row.isfinite().all())
    }
    return [name for name in batch.names if name in bad]
