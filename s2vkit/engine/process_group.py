"""Processes that train together: who writes, what is averaged, and what all agree on.

The stages call more of a module than its forward, several times before one backward, and train
their modules in turns. The hooks of DistributedDataParallel are for one forward of all parameters;
so gradients are averaged where the trainer updates, once for each phase of a step, however many
batches they were accumulated over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from s2vkit.engine.whole_batch import WholeBatch
from s2vkit.errors import RecipeError, TrainingError
from s2vkit.interfaces.data_parallel import Part, computing_on, gather_rows, means_over_processes
from s2vkit.options import Slot

STEP_TIMEOUT = "S2VKIT_STEP_TIMEOUT"  # seconds that a collective within training takes at most
_PIECE = 1_250_000  # numbers in a message of gradients, at least: 5 MB
WAIT_TIMEOUT = timedelta(days=30)  # while processes prepare, evaluate or wait for rank 0


class ProcessGroup:
    """One process alone: it writes, and there is nothing to average."""

    part = Part()

    @property
    def leads(self) -> bool:
        """Whether this process writes and prints, and does what is not shared: rank 0 does."""
        return self.part.rank == 0

    def wait(self) -> None:
        """Wait until every process is here, for as long as it takes."""

    @contextmanager
    def first(self) -> Iterator[bool]:
        """Let rank 0 run the block, then all others; gives whether this is rank 0."""
        if not self.leads:
            self.wait()
        yield self.leads
        if self.leads:
            self.wait()

    def from_leader(self, value: Any) -> Any:
        """Give the value that rank 0 has, in every process."""
        return value

    def exchange(self, value: Any) -> list[Any]:
        """Give the values of all processes, in order of their ranks."""
        return [value]

    def take_modules(self, modules: Mapping[str, nn.Module]) -> None:
        """Take over the weights of rank 0."""

    @contextmanager
    def step(self, *, local_batch_norm: bool = False) -> Iterator[None]:
        """Compute a step on this process's part of the batch."""
        yield

    def average_statistics(self, modules: Mapping[str, nn.Module]) -> None:
        """Average the running statistics of batch norm over processes."""

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Average the gradients over processes."""

    def share(
        self, metrics: Mapping[str, Tensor], *flags: bool, now: bool
    ) -> tuple[dict[str, Tensor], list[bool]]:
        """Average metrics over processes, and give each flag that any has raised.

        Unless `now`, processes do not ask each other: metrics stay their own, and no flag counts.
        """
        return dict(metrics), list(flags)


class SeveralProcesses(ProcessGroup):
    """One of the processes that torchrun has started."""

    def __init__(self, rank: int, world: int) -> None:
        self.part, self._timeout = Part(rank, world), _step_timeout()
        with self._answering():
            timeout = self._timeout
            dist.init_process_group(
                _backend(), store=_store(timeout), rank=rank, world_size=world, timeout=timeout
            )
            slow = dist.new_group(backend="gloo", timeout=WAIT_TIMEOUT)
        assert isinstance(slow, dist.ProcessGroup)  # an int is for processes that are not in it
        self._slow = slow

    def wait(self) -> None:
        """Wait until every process is here, for as long as it takes."""
        with self._answering():
            dist.barrier(group=self._slow)

    def from_leader(self, value: Any) -> Any:
        """Give the value that rank 0 has, in every process."""
        holder = [value]
        with self._answering():
            dist.broadcast_object_list(holder, group=self._slow, device=torch.device("cpu"))
        return holder[0]

    def exchange(self, value: Any) -> list[Any]:
        """Give the values of all processes, in order of their ranks; tensors must be on the CPU."""
        values = [None] * self.part.world
        with self._answering():
            dist.all_gather_object(values, value, group=self._slow)
        return values

    @torch.no_grad()
    def take_modules(self, modules: Mapping[str, nn.Module]) -> None:
        """Take over the weights and buffers of rank 0, as DistributedDataParallel does at its start."""
        with self._answering():
            for module in modules.values():
                for tensor in (*module.parameters(), *module.buffers()):
                    dist.broadcast(tensor.data, 0)

    @contextmanager
    def step(self, *, local_batch_norm: bool = False) -> Iterator[None]:
        """Compute a step on this process's part of the batch."""
        with self._answering(), computing_on(self.part), WholeBatch(local_batch_norm=local_batch_norm):
            yield

    @torch.no_grad()
    def average_statistics(self, modules: Mapping[str, nn.Module]) -> None:
        """Average the running statistics of batch norm over processes, in one message."""
        buffers = [part for one in modules.values() for part in one.buffers() if part.is_floating_point()]
        for buffer, mean in zip(buffers, means_over_processes(buffers), strict=True):
            buffer.copy_(mean)

    @torch.no_grad()
    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Average the gradients over processes, a message of some MB after the other."""
        trained = [(parameter, parameter.grad) for parameter in parameters if parameter.grad is not None]
        sent = []
        for some in _pieces(trained):
            flat = torch.cat([gradient.float().reshape(-1) for _, gradient in some])
            sent.append((some, flat, dist.all_reduce(flat, async_op=True)))
        for some, flat, call in sent:
            call.wait()
            flat /= self.part.world
            means = flat.split([gradient.numel() for _, gradient in some])
            for (parameter, gradient), mean in zip(some, means, strict=True):
                if gradient.is_contiguous() and gradient.dtype == mean.dtype:
                    parameter.grad = mean.view(gradient.shape)  # no copy
                else:
                    gradient.copy_(mean.view(gradient.shape))

    def share(
        self, metrics: Mapping[str, Tensor], *flags: bool, now: bool
    ) -> tuple[dict[str, Tensor], list[bool]]:
        """Average metrics over processes, and give each flag that any has raised, in one message."""
        if not now:
            return dict(metrics), [False] * len(flags)
        values = [value.detach().cpu().double() for value in metrics.values()]
        values += [torch.tensor(flag, dtype=torch.float64) for flag in flags]
        with self._answering(), computing_on(self.part):
            sums = gather_rows(torch.stack(values).unsqueeze(0)).sum(0)
        means, raised = sums[: len(metrics)] / self.part.world, sums[len(metrics) :] > 0
        return dict(zip(metrics, means, strict=True)), [bool(flag) for flag in raised]

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn the many ways in which a collective fails into one message."""
        try:
            yield
        except RuntimeError as error:
            if not _is_of_collective(error):
                raise
            raise self._explain(error) from error

    def _explain(self, error: RuntimeError) -> TrainingError:
        """Turn the failure of a collective into what the user reads."""
        who = f"rank {self.part.rank} of {self.part.world}"
        if _is_timeout(error):
            seconds = self._timeout.total_seconds()
            return TrainingError(
                f"{who}: another process did not join a collective operation within {seconds:g} s",
                hint="that process hangs, or two of them wait for each other; the same command resumes from "
                f"the last checkpoint. If a step can take longer here, set {STEP_TIMEOUT} to more seconds",
            )
        said = (str(error).strip().splitlines() or ["no message"])[0]
        return TrainingError(
            f"{who}: the connection to another process is lost: {said}",
            hint="the message of the process that ended first says why; the same command resumes from the "
            "last checkpoint",
        )


def _pieces(trained: Iterable[tuple[nn.Parameter, Tensor]]) -> Iterator[list[tuple[nn.Parameter, Tensor]]]:
    """Divide gradients into messages: while one is on its way, the next is put together."""
    piece: list[tuple[nn.Parameter, Tensor]] = []
    numbers = 0
    for parameter, gradient in trained:
        piece.append((parameter, gradient))
        numbers += gradient.numel()
        if numbers >= _PIECE:
            yield piece
            piece, numbers = [], 0
    if piece:
        yield piece


def _store(timeout: timedelta) -> Any:
    """Open what processes find each other by, apart for each start.

    torchrun keeps one store over its restarts: in it are still the addresses of the processes that
    have ended, and those started again would try to reach these.
    """
    store, _, _ = next(rendezvous("env://", timeout=timeout))
    return dist.PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)  # type: ignore[attr-defined]


def _step_timeout() -> timedelta:
    """Return after how long a process that does not come to a collective counts as hanging."""
    text = os.environ.get(STEP_TIMEOUT, "1800")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e8:
        raise RecipeError(f"{STEP_TIMEOUT} is '{text}', which is no number of seconds")
    return timedelta(seconds=seconds)


def _backend() -> str:
    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


def _is_of_collective(error: RuntimeError) -> bool:
    signs = ("gloo", "nccl", "connection closed", "connection reset")
    named = any(sign in str(error).lower() for sign in signs)
    return isinstance(error, dist.DistError) or named or _is_timeout(error)


def _is_timeout(error: RuntimeError) -> bool:
    return any(sign in str(error).lower() for sign in ("timed out", "timeout"))


@cache
def join_processes() -> ProcessGroup:
    """Join the processes that torchrun has started beside this one, once; alone where there are none."""
    world = int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1
    return SeveralProcesses(int(os.environ["RANK"]), world) if world > 1 else ProcessGroup()


def check_batches(stages: Mapping[str, Slot], world: int) -> None:
    """Raise RecipeError where a batch cannot be divided into equal parts, one for each process."""
    for name, slot in stages.items():
        batch = getattr(slot.options, "batch", world)
        if batch % world:
            raise RecipeError(
                f"stages.{name}.batch is {batch}, which {world} processes cannot share equally",
                hint=f"make it a multiple of {world}, or use another number of processes",
            )


def check_same(path: object, own: Mapping[str, Any], leaders: Mapping[str, Any], rank: int) -> None:
    """Raise RecipeError where a rank has read another recipe of a path than rank 0 has."""
    if own != leaders:
        raise RecipeError(
            f"{path}: rank {rank} has read another recipe than rank 0",
            hint="it was changed while the processes started, or differs between machines; "
            "make it the same and run the command again",
        )
