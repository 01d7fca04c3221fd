"""The running mean of a module's weights: steadier than the weights of any one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Update = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]


def average_of(module: nn.Module, decay: float) -> AveragedModel:
    """Follow a module with the exponential mean of its weights and running figures.

    The mean forgets sooner while it is young: after n steps its decay is at most
    (1 + n) / (10 + n), so that short trainings are not held back by their start.
    """
    return AveragedModel(module, multi_avg_fn=_update(decay), use_buffers=True)


def _update(decay: float) -> Update:
    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        n = int(count)
        share = 1 - min(decay, (1 + n) / (10 + n))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, share)
            else:
                mean.copy_(value)

    return update
