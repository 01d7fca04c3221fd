"""Validation on generated clips: the best weights are kept beside the last, training may end early."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from s2vkit.engine.process_group import ProcessGroup
from s2vkit.files import remove, write_json
from s2vkit.interfaces.callback import Callback, TrainingState
from s2vkit.options import Better
from s2vkit.tensors import load_modules, save_modules
from s2vkit.validation_options import ValidationOptions

FOLDER = "best"  # of a stage: STEP.safetensors of each kept, index.json
Measure = Callable[[TrainingState], Mapping[str, float]]


class Ranking(nn.Module):
    """The best steps so far and their figures, the best first; a checkpoint holds them as tensors."""

    def __init__(self, better: Better, keep: int) -> None:
        super().__init__()
        self.better, self.keep = better, keep
        self.kept: list[tuple[int, float]] = []
        self.since = 0  # validations after the best one

    def add(self, step: int, figure: float) -> None:
        """Add a validation; of equal ones the first is the better."""
        before = self.kept[:1]
        if math.isfinite(figure):
            self.kept = sorted([*self.kept, (step, figure)], key=self._place)[: self.keep]
        self.since = 0 if self.kept[:1] != before else self.since + 1

    @property
    def steps(self) -> set[int]:
        """Name the steps whose weights are kept."""
        return {step for step, _ in self.kept}

    def _place(self, one: tuple[int, float]) -> tuple[float, int]:
        step, figure = one
        return {"up": -figure, "down": figure}.get(self.better, abs(figure)), step

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}kept"] = torch.tensor(self.kept, dtype=torch.float64).reshape(-1, 2)
        destination[f"{prefix}since"] = torch.tensor(self.since)

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *rest: Any) -> None:
        if f"{prefix}kept" in state_dict:  # not if training began without validation
            rows = state_dict[f"{prefix}kept"].tolist()
            self.kept = [(int(step), figure) for step, figure in rows][: self.keep]
            self.since = int(state_dict[f"{prefix}since"])


class GeneratedValidation(Callback):
    """Logs `val.NAME` of generated clips; keeps the weights with the best figures.

    All that it decides follows from the weights and from what a checkpoint holds, so a stage that
    was killed decides as one that was not. Rank 0 measures and writes.
    """

    def __init__(
        self, options: ValidationOptions, better: Better, measure: Measure, group: ProcessGroup
    ) -> None:
        self.options, self.measure, self.group = options, measure, group
        self.ranking = Ranking(better, options.keep)
        self._safe: set[int] = set()  # steps of weights that the last checkpoint may need

    def modules(self) -> dict[str, nn.Module]:
        """Name the ranking, for checkpoints."""
        return {"validation": self.ranking} if self.options.best else {}

    def on_train_start(self, state: TrainingState) -> None:
        """Forget weights from after the checkpoint; end at once if training had ended early."""
        self._safe = self.ranking.steps
        self._tidy(state)
        self._end_if_due(state)

    def on_step_end(self, state: TrainingState) -> None:
        """Validate, if it is time to; keep the weights if they are among the best."""
        if state.step % self.options.every:
            return
        found = self.group.from_leader(dict(self.measure(state)) if self.group.leads else None)
        known = {name: value for name, value in found.items() if math.isfinite(value)}
        state.metrics |= {f"val.{name}": torch.tensor(value) for name, value in known.items()}
        state.read_now = True
        if self.options.best:
            self.ranking.add(state.step, found.get(self.options.best, math.nan))
            if state.step in self.ranking.steps and self.group.leads:
                save_modules(_path(state, state.step), {**state.modules, **state.averaged})
            self._end_if_due(state)

    def on_checkpoint(self, state: TrainingState) -> None:
        """Remove what neither this checkpoint needs nor the one before it."""
        self._tidy(state)
        self._safe = self.ranking.steps

    def on_train_end(self, state: TrainingState) -> None:
        """Put the best weights in the place of the last ones, if that is asked for."""
        self._safe = set()
        self._tidy(state)
        if self.options.publish == "best" and self.ranking.kept:
            load_modules(_path(state, self.ranking.kept[0][0]), state.modules)

    def _end_if_due(self, state: TrainingState) -> None:
        patience = self.options.patience
        state.ended = bool(patience) and self.ranking.since >= patience

    def _tidy(self, state: TrainingState) -> None:
        if not (self.group.leads and self.options.best and state.folder):
            return
        kept = {_path(state, step) for step in self.ranking.steps | self._safe}
        for path in (state.folder / FOLDER).glob("*.safetensors"):
            if path not in kept:
                remove(path)
        best = [{"step": step, "figure": figure} for step, figure in self.ranking.kept]
        ended = state.step if state.ended else None
        write_json(
            state.folder / FOLDER / "index.json",
            {"metric": self.options.best, "kept": best, "ended_early": ended},
        )


def _path(state: TrainingState, step: int) -> Path:
    assert state.folder is not None
    return state.folder / FOLDER / f"{step:07d}.safetensors"
