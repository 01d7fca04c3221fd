"""The contracts of losses: of a pair, of independence, and of the adversarial game."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class PairLoss(Protocol):
    """Built as `Loss(options)`; an nn.Module. The host multiplies by the weight.

    Registered with gives=("pair", "frames") or ("pair", "codes"), whichever it compares.
    """

    def __call__(self, made: Tensor, true: Tensor) -> Tensor:
        """Compare frames (N, 3, H, W) in [-1, 1], or codes (B, dim): a scalar."""
        ...


@runtime_checkable
class IndependenceLoss(Protocol):
    """Built as `Loss(options)`; an nn.Module. Registered with gives=("independence",)."""

    def __call__(self, code: Tensor, other: Tensor) -> Tensor:
        """Measure what codes (B, dim) tell of vectors (B, any) they should not: a scalar >= 0."""
        ...


@runtime_checkable
class AdversarialLoss(Protocol):
    """Built as `Loss(options)`; an nn.Module. Registered with gives=("adversarial",).

    Two methods more may be there. `looks_real(scores)` says of each score which side of the
    game's boundary it lies on; from it the balance of the game is watched. `penalty(player,
    real, fake)` is what else a discriminator minimises, a scalar or None: `player(*seen)` gives
    scores, `real` and `fake` are the parts it sees, and the gradient of the penalty flows
    through the gradient of its scores (R1, gradient penalty).
    """

    def generator(self, fake: Tensor) -> Tensor:
        """Give the generator's scalar loss from the scores of what it made."""
        ...

    def discriminator(self, real: Tensor, fake: Tensor, mismatched: Tensor | None = None) -> Tensor:
        """Give the discriminator's scalar loss; `mismatched` are real parts in wrong company."""
        ...
