"""Adversarial losses. All take scores (N, ...) and give float32 scalars.

Real parts in wrong company (`mismatched`) count as fakes, each kind of fake by half (Eq. 6).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from s2vkit_lsgan import LsganOptions
from s2vkit_lsgan.penalty import Penalised

_LABELS = {"paper": (0.0, 1.0, 0.0), "usual": (1.0, 0.0, 1.0)}


class Lsgan(Penalised):
    """Least squares to labels (Eqs. 4 to 6): real 0, fake 1 and the generator's aim 0.

    As printed, Eqs. 4 to 6 are what the discriminators minimise; that the generator minimised
    them too, as Eq. 10 has it, would make fakes easier to spot. By default it minimises
    half the squared distance of its scores to `target` instead; `as_printed` is literal.
    """

    def __init__(self, options: LsganOptions) -> None:
        super().__init__(options)
        real, fake, target = _LABELS[options.labels]
        self.real = real if options.real is None else options.real
        self.fake = fake if options.fake is None else options.fake
        self.target = target if options.target is None else options.target
        if options.variant == "as_printed":
            self.target = self.fake
        self.sums = options.reduction == "sum"

    def generator(self, fake: Tensor) -> Tensor:
        """Give 1/2 E[(D(fake) - target)^2]."""
        return 0.5 * self._distance(fake, self.target)

    def discriminator(self, real: Tensor, fake: Tensor, mismatched: Tensor | None = None) -> Tensor:
        """Give 1/2 E[(D(real) - real)^2] + 1/2 E[(D(fake) - fake)^2], or Eq. 6 of three kinds."""
        loss = self._distance(real, self.real)
        if mismatched is None:
            return 0.5 * (loss + self._distance(fake, self.fake))
        wrong = self._distance(mismatched, self.fake) + self._distance(fake, self.fake)
        return loss + 0.5 * wrong

    def looks_real(self, scores: Tensor) -> Tensor:
        """Say of each score whether it is nearer to the label of what is real."""
        return (scores.float() - self.real).abs() < (scores.float() - self.fake).abs()

    def _distance(self, scores: Tensor, label: float) -> Tensor:
        squared = (scores.float() - label).square()
        return squared.sum() if self.sums else squared.mean()


class _Ranked(Penalised):
    """Base of losses whose scores are high where real."""

    def discriminator(self, real: Tensor, fake: Tensor, mismatched: Tensor | None = None) -> Tensor:
        """Give the loss of real scores plus that of fakes, halves where there are two kinds."""
        wrong = self.of_fake(fake.float())
        if mismatched is not None:
            wrong = 0.5 * (wrong + self.of_fake(mismatched.float()))
        return self.of_real(real.float()) + wrong

    def generator(self, fake: Tensor) -> Tensor:
        """Give the negated mean score of what was made."""
        return -fake.float().mean()

    def of_real(self, scores: Tensor) -> Tensor:
        """Give the discriminator's loss of real scores."""
        raise NotImplementedError

    def of_fake(self, scores: Tensor) -> Tensor:
        """Give the discriminator's loss of fake scores."""
        raise NotImplementedError


class Hinge(_Ranked):
    """max(0, 1 - D(real)) + max(0, 1 + D(fake)); the generator's is -D(fake)."""

    def of_real(self, scores: Tensor) -> Tensor:
        """Give E[max(0, 1 - D)]."""
        return F.relu(1 - scores).mean()

    def of_fake(self, scores: Tensor) -> Tensor:
        """Give E[max(0, 1 + D)]."""
        return F.relu(1 + scores).mean()

    def looks_real(self, scores: Tensor) -> Tensor:
        """Say of each score whether it is above 0."""
        return scores > 0


class NonSaturating(_Ranked):
    """Cross-entropy of logits D; the generator's is -log sigmoid(D(fake))."""

    def of_real(self, scores: Tensor) -> Tensor:
        """Give E[-log sigmoid(D)]."""
        return F.softplus(-scores).mean()

    def of_fake(self, scores: Tensor) -> Tensor:
        """Give E[-log(1 - sigmoid(D))]."""
        return F.softplus(scores).mean()

    def generator(self, fake: Tensor) -> Tensor:
        """Give E[-log sigmoid(D(fake))]."""
        return self.of_real(fake.float())

    def looks_real(self, scores: Tensor) -> Tensor:
        """Say of each score whether it is above 0."""
        return scores > 0


class Wasserstein(_Ranked):
    """D(fake) - D(real). Unbounded: the critic is kept smooth, by spectral norm or a penalty."""

    def of_real(self, scores: Tensor) -> Tensor:
        """Give E[-D]."""
        return -scores.mean()

    def of_fake(self, scores: Tensor) -> Tensor:
        """Give E[D]."""
        return scores.mean()
