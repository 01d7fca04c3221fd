"""Penalties on the gradient of a discriminator's score with respect to what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from s2vkit_lsgan import GameOptions

Seen = Sequence[Tensor | list[Tensor]]
Player = Callable[..., Tensor]


class Penalised(nn.Module):
    """Base of adversarial losses: what a discriminator may be charged besides its scores."""

    def __init__(self, options: GameOptions) -> None:
        super().__init__()
        self.kind, self.weight = options.penalty, options.penalty_weight
        self.every = options.penalty_every

    def penalty(self, player: Player, real: Seen, fake: Seen) -> Tensor | None:
        """Give the weighted penalty of one batch, or None where there is none in this step.

        `r1` (Mescheder et al. 2018): 1/2 E|grad D|^2 at what is real. `gradient` (Gulrajani et
        al. 2017): E(|grad D| - 1)^2 at random places between real and fake. The gradient is
        that of an item's mean score, with respect to its images or maps, not to its speech.
        """
        if self.kind == "none" or (self.every > 1 and int(torch.randint(self.every, ())) > 0):
            return None
        factor = self.weight * self.every
        with torch.autocast(_first(real).device.type, enabled=False):
            if self.kind == "r1":
                return factor * 0.5 * squared_gradient(player, real).mean()
            between = _between(real, fake)
            return factor * (squared_gradient(player, between).add(1e-12).sqrt() - 1).square().mean()


def squared_gradient(player: Player, seen: Seen) -> Tensor:
    """Give |d mean score / d what is looked at|^2 of each item (N,), to be derived again."""
    watched = [t.detach().float().requires_grad_() for t in _looked_at(seen)]
    shown = watched if isinstance(seen[0], list) else watched[0]
    scores = player(shown, *seen[1:]).float()
    total = scores.flatten(1).mean(1).sum()
    gradients = torch.autograd.grad(total, watched, create_graph=True)
    return torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0)


def _between(real: Seen, fake: Seen) -> Seen:
    one, other = _looked_at(real), _looked_at(fake)
    part = torch.rand(len(one[0]), device=one[0].device)
    mixed = [
        torch.lerp(a.float(), b.float(), part.view(-1, *[1] * (a.dim() - 1)))
        for a, b in zip(one, other, strict=True)
    ]
    return [mixed if isinstance(real[0], list) else mixed[0], *real[1:]]


def _looked_at(seen: Seen) -> list[Tensor]:
    return seen[0] if isinstance(seen[0], list) else [seen[0]]


def _first(seen: Seen) -> Tensor:
    return _looked_at(seen)[0]
