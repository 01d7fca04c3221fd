"""Batch norm and dropout over the batch of all processes, in whatever module they are.

`torch.nn.SyncBatchNorm` needs CUDA, and replaces modules by their class, so that subclasses (timm's
with an activation inside) lose what they add. Here the two functions that all of them call are
replaced while a step is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit.interfaces.data_parallel import draw_rows, gather_rows

_BATCH_NORM, _DROPOUT = F.batch_norm, F.dropout


class WholeBatch:
    """While active, batch norm normalises over all processes and dropout draws for all of them.

    With `local_batch_norm`, dropout alone is replaced. The functions are replaced where torch keeps
    them: a TorchFunctionMode would be asked at every operation, which takes 4 % of a step.
    """

    def __init__(self, *, local_batch_norm: bool = False) -> None:
        self._replaced: dict[str, Callable[..., Tensor]] = {"dropout": dropout}
        if not local_batch_norm:
            self._replaced["batch_norm"] = batch_norm

    def __enter__(self) -> None:
        self._before = {name: getattr(F, name) for name in self._replaced}
        _put(self._replaced)

    def __exit__(self, *_: object) -> None:
        _put(self._before)


def _put(functions: Mapping[str, Callable[..., Tensor]]) -> None:
    for name, function in functions.items():
        setattr(F, name, function)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Do what `F.batch_norm` does, in training with the mean and variance over all processes."""
    if not training:
        return _BATCH_NORM(input, running_mean, running_var, weight, bias, training, momentum, eps)
    output, mean, variance, count = _BatchNorm.apply(input.float(), weight, bias, eps)  # type: ignore[no-untyped-call]
    _update(running_mean, mean, momentum)
    _update(running_var, variance * (count / max(1, count - 1)), momentum)
    return cast(Tensor, output.to(input.dtype))


class _BatchNorm(torch.autograd.Function):
    """Batch norm over all processes by torch's own kernels, which know the rows of one process alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Any:
        each = gather_rows(torch.stack(torch.batch_norm_update_stats(x, None, None, 0.0)).unsqueeze(0))
        mean, variance = _of_all(each)
        ctx.save_for_backward(x, weight, bias, mean, variance)
        ctx.eps, ctx.count = eps, x.numel() // x.shape[1] * len(each)
        ctx.mark_non_differentiable(mean, variance)
        return _BATCH_NORM(x, mean, variance, weight, bias, False, 0.0, eps), mean, variance, ctx.count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> Any:  # type: ignore[override]
        x, weight, bias, mean, variance = ctx.saved_tensors
        if torch.is_grad_enabled():  # a gradient penalty: this gradient has one in its turn
            inputs = (x, weight, bias)
            wanted = [one for one, needed in zip(inputs, ctx.needs_input_grad, strict=False) if needed]
            made = _plain(x, weight, bias, ctx.eps)
            found = iter(torch.autograd.grad(made, wanted, gradient, create_graph=True))
            return tuple(next(found) if needed else None for needed in ctx.needs_input_grad)
        sums = _sums(gradient, x, mean, variance, ctx.eps)
        shape = (-1, *[1] * (x.dim() - 2))
        whole = gather_rows(torch.stack(sums).unsqueeze(0)).sum(0) / ctx.count
        inverse = (variance + ctx.eps).rsqrt()
        scale = inverse if weight is None else inverse * weight
        slope = -scale * inverse * whole[0]
        shift = -scale * whole[1] - slope * mean
        given = torch.addcmul(shift.view(shape), x, slope.view(shape)).addcmul_(gradient, scale.view(shape))
        return given, None if weight is None else sums[0], None if bias is None else sums[1], None


def _of_all(each: Tensor) -> tuple[Tensor, Tensor]:
    """Give mean and variance over all rows from (world, 2, C): those of equal parts."""
    mean = each[:, 0].mean(0)
    return mean, each[:, 1].mean(0) + (each[:, 0] - mean).square().mean(0)


def _sums(gradient: Tensor, x: Tensor, mean: Tensor, variance: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Sum the gradient times the normalised values, and the gradient, over the rows here: two of (C,)."""
    found = torch.ops.aten.native_batch_norm_backward(
        gradient, x, torch.ones_like(mean), mean, variance, None, None, False, eps, [False, True, True]
    )
    return found[1], found[2]


def _plain(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Normalise over all processes by operations that each have gradients of any order."""
    over = [0, *range(2, x.dim())]
    each = gather_rows(torch.stack(torch.var_mean(x, over, correction=0)[::-1]).unsqueeze(0))
    mean, variance = _of_all(each)
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    shape = (-1, *[1] * (x.dim() - 2))
    return torch.addcmul(shift.view(shape), x, scale.view(shape))


@torch.no_grad()
def _update(running: Tensor | None, value: Tensor, momentum: float) -> None:
    if running is not None:
        running.lerp_(value.to(running.dtype), momentum)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Do what `F.dropout` does, with the mask that one process would draw for the whole batch."""
    if not training or p in (0.0, 1.0):
        return _DROPOUT(input, p, training, inplace)

    def draw(rows: int) -> Tensor:
        return input.new_empty((rows, *input.shape[1:])).bernoulli_(1 - p)

    return input * draw_rows(draw, len(input)).div_(1 - p)
