"""The contracts of losses: of a pair, of independence, and adversarial ones."""

from __future__ import annotations

from torch import Tensor, nn

from s2vkit.interfaces.discriminator import Discriminator, Inputs


class PairLoss(nn.Module):
    """Base of losses of a pair, built as `Loss(options)`. The host multiplies by the weight.

    Registered with gives=("pair", "frames") or ("pair", "codes"), whichever it compares.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare frames (N, 3, H, W) in [-1, 1], or codes (B, dim): a scalar."""
        raise NotImplementedError


class IndependenceLoss(nn.Module):
    """Base of losses of independence, built as `Loss(options)`. Registered with gives=("independence",)."""

    def forward(self, code: Tensor, other: Tensor) -> Tensor:
        """Measure what codes (B, dim) reveal of vectors (B, any) they should not: a scalar >= 0."""
        raise NotImplementedError


class AdversarialLoss(nn.Module):
    """Base of adversarial losses, built as `Loss(options)`. Registered with gives=("adversarial",).

    Scores are (B, T, ...): B clips, T frames (or windows, or 1), any number of scores of each.
    """

    def generator(self, fake: Tensor) -> Tensor:
        """Return the generator's scalar loss from the scores of what it generated."""
        raise NotImplementedError

    def discriminator(self, real: Tensor, fake: Tensor, mismatched: Tensor | None = None) -> Tensor:
        """Return the discriminator's scalar loss; `mismatched` are real frames with wrong speech."""
        raise NotImplementedError

    def penalty(self, discriminator: Discriminator, real: Inputs, fake: Inputs) -> Tensor | None:
        """Return what a discriminator minimises besides (R1, gradient penalty); by default nothing."""
        return None

    def looks_real(self, scores: Tensor) -> Tensor | None:
        """Return whether each score lies on the real side of the decision boundary; None: there is none."""
        return None
