"""The one training loop: freezing, precision, optimizers, checkpoints, resuming."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn, optim

from s2vkit.device import Policy
from s2vkit.engine.callbacks.averaging import Averaging
from s2vkit.engine.checkpoint import load_state, save_state
from s2vkit.engine.compilation import compile_all, uncompile_all
from s2vkit.engine.finite import check_metrics, check_weights, suspects
from s2vkit.engine.optimization import Optimization
from s2vkit.engine.process_group import ProcessGroup
from s2vkit.engine.stop import Stopped
from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.callback import Callback, TrainingState
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.seed import derive, seed_step
from s2vkit.interfaces.stage import Phase, Stage
from s2vkit.options import Slot
from s2vkit.tensors import save_modules

LOG = logging.getLogger(__name__)
READ_EVERY = 20  # steps between readings of the metrics where reading makes a GPU wait


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
        callbacks: Sequence[Callback] = (),
        group: ProcessGroup | None = None,
    ) -> None:
        self.stage, self.name, self.graph, self.batches = stage, name, graph, batches
        self.policy = policy = policy.of(stage)
        self.seed, self.group = seed, group or ProcessGroup()
        slots = stage.optimizers()
        inner = {name: part for name, part in graph.inner_modules().items() if name in slots}
        everything: dict[str, nn.Module] = {**graph.modules(), **inner, **self._extras()}
        policy.place_all(everything, training=slots)
        self.trained = {key: everything[key] for key in slots}
        self.optimization = Optimization(
            self.trained, slots, make_optimizer, policy.scaler(), stage.options.steps, self.group
        )
        averaging = Averaging(self.trained, stage.averages())
        self.callbacks: list[Callback] = [averaging, *stage.callbacks(), *callbacks]
        self.state = TrainingState(name, stage.options.steps, self.trained, self._clip_names)
        if policy.compile:
            compile_all(self.trained)

    def _extras(self) -> dict[str, nn.Module]:
        with torch.random.fork_rng(devices=[]), self.policy.device:
            seed_step(self.seed, "extras", self.name)
            return self.stage.extras()

    def run(
        self, folder: Path, *, save_seconds: float = 600.0, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """Train to the end, saving every `save_seconds`; raise Stopped when asked to stop."""
        self.state.folder = folder
        self.state.step = load_state(folder / "checkpoint", self._saved(), self.optimization.optimizers)
        with self._open_callbacks():
            self.group.take_modules(self._saved())  # what a stage computed at its start too
            self._loop(folder / "checkpoint", save_seconds, stopped)
            uncompile_all(self.trained)  # what comes now has other shapes
            self._notify("on_train_end")
            self.group.take_modules(self.trained)  # so that all go on with what rank 0 saves
        check_weights(self.state)
        if self.group.leads:
            save_modules(folder / "weights.safetensors", self.trained)

    def _loop(self, checkpoint: Path, save_seconds: float, stopped: Callable[[], bool]) -> None:
        state, saved = self.state, time.monotonic()
        for number in range(state.step, state.total):
            if state.last:
                break
            self.step(number)
            reading = state.last or state.read_now or self._reads(number)
            due = time.monotonic() - saved > save_seconds
            state.metrics, (stopping, due) = self.group.share(state.metrics, stopped(), due, now=reading)
            saving = state.last or stopping or due
            if saving or reading:
                check_metrics(state)
                self._notify("on_metrics")
            if saving:
                check_weights(state)
                self._notify("on_checkpoint")
                self._save(checkpoint)
                saved = time.monotonic()
            if stopping and not state.last:
                raise Stopped

    def step(self, number: int) -> dict[str, Tensor]:
        """Do one step, numbered from 0; give its metrics, means where several batches add up."""
        self.state.step, self.state.read_now = number + 1, False
        batches = [self.batches(index) for index in self._batch_numbers(number)]
        with self.group.step(local_batch_norm=self.policy.local_batch_norm):
            self.state.metrics = self._optimize(batches, number)
            if self.policy.local_batch_norm:
                self.group.average_statistics(self.trained)
        self._notify("on_step_end")
        return self.state.metrics

    def _optimize(self, batches: list[Batch], number: int) -> dict[str, Tensor]:
        """Go through the phases; with several batches, what they share is computed for each anew."""
        shared = self._forward(batches[0], number) if len(batches) == 1 else None
        found: list[dict[str, Tensor]] = [{} for _ in batches]
        updates: dict[str, Tensor] = {}
        for phase in self.stage.phases():
            self.optimization.zero(phase.trains)
            for part, batch in enumerate(batches):
                given = shared if len(batches) == 1 else self._forward(batch, number, part)
                found[part].update(self._backward(phase, batch, given))
                if len(batches) > 1:
                    found[part].update(self._extra_metrics(batch, given))
            updates.update(self.optimization.update(phase.trains, number))
        self.optimization.end_step()
        if len(batches) == 1:
            return {**found[0], **self._extra_metrics(batches[0], shared), **updates}
        return {**_means(found), **updates}

    def _forward(self, batch: Batch, number: int, part: int = 0) -> Any:
        """Compute what phases share, with the same random draws however often it is done."""
        names = ("step", self.name, number) if part == 0 else ("step", self.name, number, part)
        torch.manual_seed(derive(self.seed, *names))
        self._unfreeze(tuple(self.trained))
        with self.policy.autocast():
            return self.stage.shared_forward(batch)

    def _backward(self, phase: Phase, batch: Batch, shared: Any) -> dict[str, Tensor]:
        """Add the gradients of one batch for one phase; give its terms."""
        self._unfreeze(phase.trains)
        with self.policy.autocast():
            terms = phase.loss(batch, shared)
        total = torch.stack([term.float() for term in terms.values()]).sum()
        self.optimization.backward(total / self.stage.options.accumulate)
        return {name: term.detach() for name, term in terms.items()}

    def _extra_metrics(self, batch: Batch, shared: Any) -> dict[str, Tensor]:
        with torch.no_grad(), self.policy.autocast():
            return self.stage.extra_metrics(batch, shared)

    def _unfreeze(self, names: tuple[str, ...]) -> None:
        for key, module in self.trained.items():
            module.requires_grad_(key in names)

    def _reads(self, number: int) -> bool:
        return self.policy.device.type == "cpu" or number % READ_EVERY == 0

    def _batch_numbers(self, number: int) -> range:
        count = self.stage.options.accumulate
        return range(number * count, (number + 1) * count)

    def _clip_names(self) -> list[str]:
        return suspects([self.batches(index) for index in self._batch_numbers(self.state.step - 1)])

    def _save(self, checkpoint: Path) -> None:
        if self.group.leads:
            LOG.debug("stage '%s': a checkpoint at step %d", self.name, self.state.step)
            save_state(checkpoint, self.state.step, self._saved(), self.optimization.optimizers)

    def _saved(self) -> dict[str, nn.Module]:
        """Name all that a checkpoint holds."""
        more = {name: part for callback in self.callbacks for name, part in callback.modules().items()}
        return {**self.trained, **self.optimization.modules(), **more}

    def _notify(self, event: str) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self.state)

    @contextmanager
    def _open_callbacks(self) -> Iterator[None]:
        try:
            self._notify("on_train_start")
            yield
        except BaseException:
            with suppress(OSError):
                self._close_callbacks()
            raise
        self._close_callbacks()

    def _close_callbacks(self) -> None:
        for callback in self.callbacks:
            callback.close()


def _means(found: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Average metrics over batches; a lazy penalty is not in every one."""
    names = dict.fromkeys(name for metrics in found for name in metrics)
    return {name: torch.stack([m[name].float() for m in found if name in m]).mean() for name in names}
