"""Penalties on the gradient of a discriminator's score with respect to what it scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from s2vkit.interfaces.data_parallel import draw_rows
from s2vkit.interfaces.discriminator import Discriminator, Inputs
from s2vkit.interfaces.loss import AdversarialLoss
from s2vkit.options import AdversarialLossOptions


class PenalisedLoss(AdversarialLoss):
    """Base of adversarial losses with an optional gradient penalty."""

    def __init__(self, options: AdversarialLossOptions) -> None:
        super().__init__()
        self.kind, self.weight = options.penalty, options.penalty_weight
        self.every = options.penalty_every

    def penalty(self, discriminator: Discriminator, real: Inputs, fake: Inputs) -> Tensor | None:
        """Return the weighted penalty of one batch, or None if there is none in this step.

        `r1` (Mescheder et al. 2018): 1/2 E|grad D|^2 at what is real. `gradient` (Gulrajani et
        al. 2017): E(|grad D| - 1)^2 at random places between real and fake. The gradient is
        that of an item's mean score, with respect to its images or maps, not to its speech.
        """
        if self.kind == "none" or (self.every > 1 and int(torch.randint(self.every, ())) > 0):
            return None
        factor = self.weight * self.every
        with torch.autocast(_scored(real)[0].device.type, enabled=False), _differentiable(discriminator):
            if self.kind == "r1":
                return factor * 0.5 * squared_gradient(discriminator, real).mean()
            between = _between(real, fake)
            return factor * (squared_gradient(discriminator, between).add(1e-12).sqrt() - 1).square().mean()


@contextmanager
def _differentiable(discriminator: nn.Module) -> Iterator[None]:
    """Disable cuDNN for recurrent networks: it has no second derivatives for them."""
    recurrent = any(isinstance(module, nn.RNNBase) for module in discriminator.modules())
    with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled and not recurrent):
        yield


def squared_gradient(discriminator: nn.Module, inputs: Inputs) -> Tensor:
    """Return |d mean score / d first input|^2 of each item (N,), to be differentiated again."""
    sources = [t.detach().float().requires_grad_() for t in _scored(inputs)]
    first = sources if isinstance(inputs[0], list) else sources[0]
    scores = discriminator.forward(first, *inputs[1:]).float()
    total = scores.flatten(1).mean(1).sum()
    gradients = torch.autograd.grad(total, sources, create_graph=True)
    return torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0)


def _between(real: Inputs, fake: Inputs) -> Inputs:
    one, other = _scored(real), _scored(fake)
    part = draw_rows(lambda count: torch.rand(count, device=one[0].device), len(one[0]))
    mixed = [
        torch.lerp(a.float(), b.float(), part.view(-1, *[1] * (a.dim() - 1)))
        for a, b in zip(one, other, strict=True)
    ]
    return mixed if isinstance(real[0], list) else mixed[0], *real[1:]


def _scored(inputs: Inputs) -> list[Tensor]:
    return inputs[0] if isinstance(inputs[0], list) else [inputs[0]]
