"""The one training loop: freezing, precision, optimizers, checkpoints, resuming."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn, optim

from s2vkit.engine.average import average_of
from s2vkit.engine.checkpoint import load_state, save_modules, save_state
from s2vkit.engine.device import Policy
from s2vkit.engine.log import Log
from s2vkit.engine.stop import Stopped
from s2vkit.errors import TrainingError
from s2vkit.options import Slot
from s2vkit.parts.clip import Clips
from s2vkit.parts.graph import Graph
from s2vkit.parts.seed import derive, seed_step
from s2vkit.parts.stage import Stage, Turn

CHECK_EVERY = 20  # steps between looks at the figures where looking costs (a GPU waits)


@dataclass
class Hooks:
    """What the loop tells others: every figure, and when to stop."""

    step: Callable[[int, int, Mapping[str, float]], None]
    stopped: Callable[[], bool]
    held_out: Callable[[], Clips | None] = lambda: None  # clips for `Stage.validate`
    heard: Callable[[], Clips | None] = lambda: None  # clips for `Stage.finish`


class Trainer:
    """Trains what one stage trains, from its last checkpoint to its last step."""

    def __init__(
        self, stage: Stage, name: str, graph: Graph, batches: Callable[[int], Clips], *,
        policy: Policy, seed: int, make_optimizer: Callable[[Slot, Any], optim.Optimizer],
        compiled: bool = True,
    ) -> None:  # fmt: skip
        self.stage, self.name, self.graph, self.batches = stage, name, graph, batches
        self.policy, self.seed = policy, seed
        everything: dict[str, nn.Module] = {**graph.modules(), **self._extras()}
        slots = stage.optimizers()
        self.trained = {key: everything[key] for key in slots}
        for key, module in everything.items():
            policy.place(module).train(key in slots).requires_grad_(key in slots)
        self.optimizers = {
            key: make_optimizer(slot, self.trained[key].parameters()) for key, slot in slots.items()
        }
        self.averages = {
            key: average_of(self.trained[key], decay) for key, decay in stage.averages().items()
        }
        if policy.compile and compiled:
            for module in self.trained.values():
                module.compile()

    def _extras(self) -> dict[str, nn.Module]:
        with torch.random.fork_rng(devices=[]), self.policy.device:
            seed_step(self.seed, "extras", self.name)
            return self.stage.extras()

    def run(self, folder: Path, hooks: Hooks, save_seconds: float) -> None:
        """Train to the end, saving every `save_seconds`; raise Stopped when asked to stop."""
        done = load_state(folder / "checkpoint", self._state(), self.optimizers)
        with Log(folder / "log.jsonl", since=done) as log:
            self._loop(folder / "checkpoint", log, hooks, done, save_seconds)
        for key, average in self.averages.items():
            self.trained[key].load_state_dict(average.module.state_dict())
        clips = hooks.heard() if self.stage.finish_with else None
        if clips is not None:
            self._finish(clips)
        save_modules(folder / "weights.safetensors", self.trained)

    @torch.no_grad()
    def _finish(self, clips: Clips) -> None:
        for module in self.trained.values():
            module.eval()
        self.stage.finish(clips)
        self._check_weights(self.stage.options.steps - 1)

    def _state(self) -> dict[str, nn.Module]:
        """Name all that a checkpoint holds."""
        return {**self.trained, **{f"average.{k}": v for k, v in self.averages.items()}}

    def _loop(
        self, checkpoint: Path, log: Log, hooks: Hooks, done: int, save_seconds: float
    ) -> None:
        total, saved = self.stage.options.steps, time.monotonic()
        every = self.stage.validate_every
        held_out = hooks.held_out() if every else None
        for step in range(done, total):
            figures = self.step(step)
            last = step + 1 == total
            stop = hooks.stopped()
            save = last or stop or time.monotonic() - saved > save_seconds
            validate = held_out is not None and (last or (step + 1) % every == 0)
            if validate and held_out is not None:
                figures |= self._validate(held_out)
            if save or validate or self.policy.device.type == "cpu" or step % CHECK_EVERY == 0:
                values = self._checked(figures, step)
                log.write(step + 1, values)
                hooks.step(step + 1, total, values)
            if save:
                self._check_weights(step)
                log.flush()
                save_state(checkpoint, step + 1, self._state(), self.optimizers)
                saved = time.monotonic()
            if stop and not last:
                raise Stopped

    def step(self, step: int) -> dict[str, Tensor]:
        """Do one step; give the figures."""
        clips = self.batches(step)
        torch.manual_seed(derive(self.seed, "step", self.name, step))
        self._free(tuple(self.trained))
        with self.policy.autocast():
            shared = self.stage.prepare(clips)
        figures: dict[str, Tensor] = {}
        for turn in self.stage.turns():
            figures.update(self._turn(turn, clips, shared))
        for key, average in self.averages.items():
            average.update_parameters(self.trained[key])
        with torch.no_grad(), self.policy.autocast():
            figures.update(self.stage.watch(clips, shared))
        return figures

    @torch.no_grad()
    def _validate(self, clips: Clips) -> dict[str, Tensor]:
        """Look at held-out clips with all modules as they will be used."""
        for module in self.trained.values():
            module.eval()
        with self.policy.autocast():
            figures = self.stage.validate(clips)
        for module in self.trained.values():
            module.train()
        return {f"val.{name}": figure for name, figure in figures.items()}

    def _turn(self, turn: Turn, clips: Clips, shared: Any) -> dict[str, Tensor]:
        self._free(turn.trains)
        for key in turn.trains:
            self.optimizers[key].zero_grad(set_to_none=True)
        with self.policy.autocast():
            terms = self.stage.losses(turn.name, clips, shared)
        total = torch.stack([term.float() for term in terms.values()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        for key in turn.trains:
            self.optimizers[key].step()
        return {name: term.detach() for name, term in terms.items()}

    def _free(self, names: tuple[str, ...]) -> None:
        for key, module in self.trained.items():
            module.requires_grad_(key in names)

    def _checked(self, figures: Mapping[str, Tensor], step: int) -> dict[str, float]:
        values = {name: float(figure) for name, figure in figures.items()}
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        self._give_up(step, wrong)
        return values

    def _check_weights(self, step: int) -> None:
        """A loss can still be a number where the step it led to made the weights none."""
        self._give_up(step, [k for k, m in self.trained.items() if not _finite(m)])

    def _give_up(self, step: int, wrong: list[str]) -> None:
        if wrong:
            raise TrainingError(
                f"stage '{self.name}', step {step + 1}: {', '.join(wrong)} is no longer a number; "
                f"clips of this step: {', '.join(self.batches(step).names[:4])} ...",
                hint="the last good checkpoint is kept; lower a learning rate and run again",
            )


def _finite(module: nn.Module) -> bool:
    return all(bool(p.isfinite().all()) for p in module.state_dict().values())
