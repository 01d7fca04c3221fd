"""Adversarial losses beside the paper's. All take scores (B, T, ...) and give float32 scalars.

Mismatched real frames count as fake, each kind of fake by half, as in Eq. 6.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from s2vkit import PenalisedLoss


class _Ranked(PenalisedLoss):
    """Base of losses whose scores are high where real."""

    def discriminator(self, real: Tensor, fake: Tensor, mismatched: Tensor | None = None) -> Tensor:
        """Return the loss of real scores plus that of fakes, halves where there are two kinds."""
        wrong = self.of_fake(fake.float())
        if mismatched is not None:
            wrong = 0.5 * (wrong + self.of_fake(mismatched.float()))
        return self.of_real(real.float()) + wrong

    def generator(self, fake: Tensor) -> Tensor:
        """Return the negated mean score of what was generated."""
        return -fake.float().mean()

    def of_real(self, scores: Tensor) -> Tensor:
        """Return the discriminator's loss of real scores."""
        raise NotImplementedError

    def of_fake(self, scores: Tensor) -> Tensor:
        """Return the discriminator's loss of fake scores."""
        raise NotImplementedError


class Hinge(_Ranked):
    """max(0, 1 - D(real)) + max(0, 1 + D(fake)); the generator's is -D(fake)."""

    def of_real(self, scores: Tensor) -> Tensor:
        """Return E[max(0, 1 - D)]."""
        return F.relu(1 - scores).mean()

    def of_fake(self, scores: Tensor) -> Tensor:
        """Return E[max(0, 1 + D)]."""
        return F.relu(1 + scores).mean()

    def looks_real(self, scores: Tensor) -> Tensor:
        """Return whether each score is above 0."""
        return scores > 0


class NonSaturating(_Ranked):
    """Cross-entropy of logits D; the generator's is -log sigmoid(D(fake))."""

    def of_real(self, scores: Tensor) -> Tensor:
        """Return E[-log sigmoid(D)]."""
        return F.softplus(-scores).mean()

    def of_fake(self, scores: Tensor) -> Tensor:
        """Return E[-log(1 - sigmoid(D))]."""
        return F.softplus(scores).mean()

    def generator(self, fake: Tensor) -> Tensor:
        """Return E[-log sigmoid(D(fake))]."""
        return self.of_real(fake.float())

    def looks_real(self, scores: Tensor) -> Tensor:
        """Return whether each score is above 0."""
        return scores > 0


class Wasserstein(_Ranked):
    """D(fake) - D(real). Unbounded: the discriminator is kept smooth, by spectral norm or a penalty."""

    def of_real(self, scores: Tensor) -> Tensor:
        """Return E[-D]."""
        return -scores.mean()

    def of_fake(self, scores: Tensor) -> Tensor:
        """Return E[D]."""
        return scores.mean()
