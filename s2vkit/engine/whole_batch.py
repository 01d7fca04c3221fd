"""Batch norm and dropout over the batch of all processes, in whatever module they are.

`torch.nn.SyncBatchNorm` needs CUDA, and replaces modules by their class, so that subclasses (timm's
with an activation inside) lose what they add. Here the two functions that all of them call are
replaced while a step is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from s2vkit.interfaces.data_parallel import draw_rows, gather_rows


class WholeBatch(TorchFunctionMode):
    """While active, batch norm normalises over all processes and dropout draws for all of them."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, or what takes its place."""
        return _REPLACED.get(func, func)(*args, **(kwargs or {}))


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
        return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    values = input.float()
    over = [0, *range(2, values.dim())]
    each = gather_rows(torch.stack([values.mean(over), values.var(over, correction=0)]).unsqueeze(0))
    mean = each[:, 0].mean(0)
    variance = each[:, 1].mean(0) + (each[:, 0] - mean).square().mean(0)
    count = values.numel() // values.shape[1] * len(each)
    _update(running_mean, mean, momentum)
    _update(running_var, variance * (count / max(1, count - 1)), momentum)
    shape = (-1, *[1] * (values.dim() - 2))
    normal = (values - mean.view(shape)) * (variance + eps).rsqrt().view(shape)
    if weight is not None and bias is not None:
        normal = torch.addcmul(bias.view(shape), normal, weight.view(shape))
    return normal.to(input.dtype)


@torch.no_grad()
def _update(running: Tensor | None, value: Tensor, momentum: float) -> None:
    if running is not None:
        running.lerp_(value.to(running.dtype), momentum)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Do what `F.dropout` does, with the mask that one process would draw for the whole batch."""
    if not training or p in (0.0, 1.0):
        return F.dropout(input, p, training, inplace)

    def draw(rows: int) -> Tensor:
        return input.new_empty((rows, *input.shape[1:])).bernoulli_(1 - p)

    return input * draw_rows(draw, len(input)).div_(1 - p)


_REPLACED: dict[Callable[..., Any], Callable[..., Any]] = {F.batch_norm: batch_norm, F.dropout: dropout}
