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
    """Built as `Loss(options)`; an nn.Module. Registered with gives=("adversarial",)."""

    def generator(self, fake: Tensor) -> Tensor:
        """Give the generator's scalar loss from the scores of what it made."""
        ...

    def discriminator(self, real: Tensor, fake: Tensor, mismatched: Tensor | None = None) -> Tensor:
        """Give the discriminator's scalar loss; `mismatched` are real parts in wrong company."""
        ...
