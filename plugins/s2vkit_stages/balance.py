"""Weighing a term by the share of the gradient that it has at the generated frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from s2vkit import current_part, means_over_processes

_RAISED = 2.0**10  # keeps the gradients of a term from vanishing in half precision
_LEAST = 1e-12


def balanced(loss: Tensor, others: Iterable[Tensor], frames: Tensor, share: float) -> Tensor:
    """Scale a loss until its gradient at `frames` is `share` times as long as that of the others together.

    As the balancer of Défossez et al. 2022, of one step. The gradient is taken once, and handed on as that
    of a linear function of the frames, so that the networks behind the loss are not gone through twice.
    """
    together = torch.stack([other.float() for other in others]).sum()
    own, of_others = _gradient(loss, frames), _gradient(together, frames)
    length, wanted = _lengths([own, of_others])
    weight = share * wanted / length.clamp(min=_LEAST)
    linear = (frames.float() * (weight * own)).sum()
    return weight * loss.detach() + linear - linear.detach()


def _gradient(loss: Tensor, frames: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(loss * _RAISED, frames, retain_graph=True)
    return gradient.float() / _RAISED


def _lengths(gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the lengths of gradients at the frames of all processes, up to a common factor."""
    own = [gradient.norm() for gradient in gradients]
    if current_part().world == 1:
        return own
    return [square.sqrt() for square in means_over_processes([one.square() for one in own])]
