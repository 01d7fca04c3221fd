"""The one training loop: freezing, precision, optimizers, checkpoints, resuming."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn, optim

from s2vkit.device import Policy
from s2vkit.engine.averaging import average_of
from s2vkit.engine.checkpoint import load_state, save_state
from s2vkit.engine.log import Log, read_log
from s2vkit.engine.monitor import Watchdog, some, suspects
from s2vkit.engine.schedule import set_rate
from s2vkit.engine.stop import Stopped
from s2vkit.errors import TrainingError
from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.seed import derive, seed_step
from s2vkit.interfaces.stage import Stage, Turn
from s2vkit.options import OptimizerOptions, Slot
from s2vkit.tensors import save_modules

CHECK_EVERY = 20  # steps between looks at the figures where looking costs (a GPU waits)


@dataclass
class Hooks:
    """What the loop tells others: every figure, and when to stop."""

    step: Callable[[int, int, Mapping[str, float]], None]
    stopped: Callable[[], bool]
    held_out: Callable[[], Batch | None] = lambda: None  # clips for `Stage.validate`
    heard: Callable[[], Batch | None] = lambda: None  # clips for `Stage.finish`
    warn: Callable[[str], None] = lambda said: None
    look: Callable[[int], None] = lambda step: None  # called after each step, for pictures


class Trainer:
    """Trains what one stage trains, from its last checkpoint to its last step."""

    def __init__(
        self,
        stage: Stage,
        name: str,
        graph: Graph,
        batches: Callable[[int], Batch],
        *,
        policy: Policy,
        seed: int,
        make_optimizer: Callable[[Slot, Any], optim.Optimizer],
        compiled: bool = True,
    ) -> None:
        self.stage, self.name, self.graph, self.batches = stage, name, graph, batches
        self.policy, self.seed = policy, seed
        everything: dict[str, nn.Module] = {**graph.modules(), **self._extras()}
        self.slots = slots = stage.optimizers()
        self.trained = {key: everything[key] for key in slots}
        for key, module in everything.items():
            policy.place(module).train(key in slots).requires_grad_(key in slots)
        self.optimizers = {
            key: make_optimizer(slot, self.trained[key].parameters()) for key, slot in slots.items()
        }
        self.averages = {
            key: average_of(self.trained[key], decay) for key, decay in stage.averages().items() if decay
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
            lines = read_log(folder / "log.jsonl")
            self.watchdog = Watchdog(self.name, self.stage.limits(), lines, hooks.warn)
            self._loop(folder / "checkpoint", log, hooks, done, save_seconds)
        for key, average in self.averages.items():
            self.trained[key].load_state_dict(average.module.state_dict())
        clips = hooks.heard() if self.stage.finish_with else None
        if clips is not None:
            self._finish(clips)
        save_modules(folder / "weights.safetensors", self.trained)

    @torch.no_grad()
    def _finish(self, clips: Batch) -> None:
        for module in self.trained.values():
            module.eval()
        self.stage.finish(clips)
        self._check_weights(self.stage.options.steps - 1)

    def _state(self) -> dict[str, nn.Module]:
        """Name all that a checkpoint holds."""
        return {**self.trained, **{f"average.{k}": v for k, v in self.averages.items()}}

    def _loop(self, checkpoint: Path, log: Log, hooks: Hooks, done: int, save_seconds: float) -> None:
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
                hooks.step(step + 1, total, self._ordered(values))
                self.watchdog.look(step + 1, values, partial(self._names, step))
            hooks.look(step + 1)
            if save:
                self._check_weights(step)
                log.flush()
                save_state(checkpoint, step + 1, self._state(), self.optimizers)
                saved = time.monotonic()
            if stop and not last:
                raise Stopped

    def step(self, step: int) -> dict[str, Tensor]:
        """Do one step; give the figures, their means where gradients of batches add up."""
        batches = [self.batches(number) for number in self._numbers(step)]
        shared = self._prepare(batches[0], step, 0) if len(batches) == 1 else None
        found: list[dict[str, Tensor]] = [{} for _ in batches]
        for turn in self.stage.turns():
            for figures, more in zip(found, self._turn(turn, batches, shared, step), strict=True):
                figures.update(more)
        for key, average in self.averages.items():
            average.update_parameters(self.trained[key])
        if len(batches) == 1:
            return {**found[0], **self._watch(batches[0], shared)}
        return {k: torch.stack([f[k].float() for f in found]).mean() for k in found[0]}

    @torch.no_grad()
    def _validate(self, clips: Batch) -> dict[str, Tensor]:
        """Look at held-out clips with all modules as they will be used."""
        for module in self.trained.values():
            module.eval()
        with self.policy.autocast():
            figures = self.stage.validate(clips)
        for module in self.trained.values():
            module.train()
        return {f"val.{name}": figure for name, figure in figures.items()}

    def _turn(self, turn: Turn, batches: list[Batch], shared: Any, step: int) -> list[dict[str, Tensor]]:
        """Move what a turn trains; where there are several batches, each is drawn anew."""
        for key in turn.trains:
            self.optimizers[key].zero_grad(set_to_none=True)
        found = []
        for part, clips in enumerate(batches):
            drawn = shared if len(batches) == 1 else self._prepare(clips, step, part)
            self._free(turn.trains)
            found.append(self._gradients(turn, clips, drawn))
            if len(batches) > 1:
                found[-1].update(self._watch(clips, drawn))
        for key in turn.trains:
            options = self.slots[key].options
            if isinstance(options, OptimizerOptions):
                set_rate(self.optimizers[key], options, step, self.stage.options.steps)
            self.optimizers[key].step()
        return found

    def _numbers(self, step: int) -> range:
        """Number the batches of a step."""
        count = self.stage.options.accumulate
        return range(step * count, (step + 1) * count)

    def _prepare(self, clips: Batch, step: int, part: int) -> Any:
        """Compute what turns share, with the same draws however often it is done."""
        names = ("step", self.name, step) if part == 0 else ("step", self.name, step, part)
        torch.manual_seed(derive(self.seed, *names))
        self._free(tuple(self.trained))
        with self.policy.autocast():
            return self.stage.prepare(clips)

    def _watch(self, clips: Batch, shared: Any) -> dict[str, Tensor]:
        with torch.no_grad(), self.policy.autocast():
            return self.stage.watch(clips, shared)

    def _gradients(self, turn: Turn, clips: Batch, shared: Any) -> dict[str, Tensor]:
        """Add the gradients of one batch for one turn; give its terms."""
        with self.policy.autocast():
            terms = self.stage.losses(turn.name, clips, shared)
        total = torch.stack([term.float() for term in terms.values()]).sum()
        (total / self.stage.options.accumulate).backward()  # type: ignore[no-untyped-call]
        return {name: term.detach() for name, term in terms.items()}

    def _ordered(self, values: dict[str, float]) -> dict[str, float]:
        first = [name for name in self.stage.shown if name in values]
        return {name: values[name] for name in dict.fromkeys([*first, *values])}

    def _names(self, step: int) -> list[str]:
        """Name the clips of a step, those alone that hold no numbers if there are any."""
        batches = [self.batches(number) for number in self._numbers(step)]
        bad = [suspects(clips) for clips in batches]
        worse = [b for b, clips in zip(bad, batches, strict=True) if b != clips.names]
        return [name for names in worse or bad for name in names]

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
            parts = [k for k, m in self.trained.items() if not _finite(m)]
            lost = f"; weights lost: {', '.join(parts)}" if parts and parts != wrong else ""
            raise TrainingError(
                f"stage '{self.name}', step {step + 1}: {', '.join(wrong)} is no longer a number"
                f"{lost}; clips of this step: {some(self._names(step))}",
                hint="the last good checkpoint is kept; lower a learning rate and run again",
            )


def _finite(module: nn.Module) -> bool:
    return all(bool(p.isfinite().all()) for p in module.state_dict().values())
