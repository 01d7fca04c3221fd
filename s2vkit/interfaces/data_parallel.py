"""Data parallel training as a stage sees it: each process has an equal part of each step's batch.

A step of N processes is the step of one with the whole batch if a loss that is not a plain mean
over rows is computed from all of them (`gather_rows`, `mean_over_processes`), and if random numbers
of rows are drawn for the whole batch (`draw_rows`). Alone, these functions change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_TAG = 61  # of the messages of `_swap`, which meet no others


@dataclass(frozen=True)
class Part:
    """The part of each batch that a process computes on: the `rank`-th of `world` equal ones."""

    rank: int = 0
    world: int = 1

    def rows(self, whole: int) -> slice:
        """Give the rows of this process, of a batch of `whole` rows."""
        count = whole // self.world
        return slice(self.rank * count, (self.rank + 1) * count)


WHOLE = Part()
_part: ContextVar[Part] = ContextVar("part", default=WHOLE)


def current_part() -> Part:
    """Give the part of the batch that the running step has here; outside training the whole."""
    return _part.get()


@contextmanager
def computing_on(part: Part) -> Iterator[None]:
    """Make `part` the current one for a while."""
    token = _part.set(part)
    try:
        yield
    finally:
        _part.reset(token)


def draw_rows(draw: Callable[[int], Tensor], rows: int, part: Part | None = None) -> Tensor:
    """Draw random numbers for every row of the whole batch, and give those of the `rows` here.

    `draw(count)` gives a tensor whose first dimension is `count`. All processes draw from
    generators in the same state.
    """
    part = part or current_part()
    whole = rows * part.world
    return draw(whole)[part.rows(whole)]


def gather_rows(values: Tensor) -> Tensor:
    """Give the rows of all processes in order, with gradient, from (N, ...) here: (world * N, ...)."""
    part = current_part()
    if part.world == 1:
        return values
    gathered: Tensor = _Gather.apply(values)  # type: ignore[no-untyped-call]
    return gathered.flatten(0, 1)


class _Gather(torch.autograd.Function):
    """The values of all processes, (world, ...)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return torch.stack(_swap([values] * current_part().world))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        summed: Tensor = _Scatter.apply(gradient)  # type: ignore[no-untyped-call]
        return summed


class _Scatter(torch.autograd.Function):
    """The sum over processes of what each has for this one, of (world, ...): the transpose of `_Gather`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return torch.stack(_swap(list(values))).sum(0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        gathered: Tensor = _Gather.apply(gradient)  # type: ignore[no-untyped-call]
        return gathered


def _swap(parts: list[Tensor]) -> list[Tensor]:
    """Send `parts[rank]` to each process, and give what each sent here.

    Point to point: a small message takes a tenth of the time of gloo's `all_reduce`.
    """
    from torch.distributed import P2POp, batch_isend_irecv, irecv, isend

    here = current_part().rank
    sent = [part.contiguous() for part in parts]
    got = [part if rank == here else torch.empty_like(part) for rank, part in enumerate(sent)]
    others = [rank for rank in range(len(parts)) if rank != here]
    calls = [P2POp(isend, sent[rank], rank, tag=_TAG) for rank in others]
    calls += [P2POp(irecv, got[rank], rank, tag=_TAG) for rank in others]
    for call in batch_isend_irecv(calls):
        call.wait()
    return got


def mean_over_processes(value: Tensor) -> Tensor:
    """Average a value over processes, without gradient: a count to divide by, for example."""
    return means_over_processes([value])[0]


def means_over_processes(values: Sequence[Tensor]) -> list[Tensor]:
    """Average each value over processes, without gradient, in one message for all of them."""
    part = current_part()
    if part.world == 1 or not values:
        return list(values)
    flat = torch.cat([value.detach().float().reshape(-1) for value in values])
    mean = torch.stack(_swap([flat] * part.world)).mean(0)
    parts = mean.split([value.numel() for value in values])
    return [one.view(value.shape) for one, value in zip(parts, values, strict=True)]
