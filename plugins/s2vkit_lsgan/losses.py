"""The least-squares adversarial loss of the paper: of scores (B, T, ...), a float32 scalar."""

from __future__ import annotations

from torch import Tensor

from s2vkit import PenalisedLoss
from s2vkit_lsgan import LsganOptions

_LABELS = {"paper": (0.0, 1.0, 0.0), "usual": (1.0, 0.0, 1.0)}


class Lsgan(PenalisedLoss):
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
        """Return 1/2 E[(D(fake) - target)^2]."""
        return 0.5 * self._distance(fake, self.target)

    def discriminator(self, real: Tensor, fake: Tensor, mismatched: Tensor | None = None) -> Tensor:
        """Return 1/2 E[(D(real) - real)^2] + 1/2 E[(D(fake) - fake)^2], or Eq. 6 of three kinds."""
        loss = self._distance(real, self.real)
        if mismatched is None:
            return 0.5 * (loss + self._distance(fake, self.fake))
        wrong = self._distance(mismatched, self.fake) + self._distance(fake, self.fake)
        return loss + 0.5 * wrong

    def looks_real(self, scores: Tensor) -> Tensor:
        """Return whether each score is nearer to the label of what is real."""
        return (scores.float() - self.real).abs() < (scores.float() - self.fake).abs()

    def _distance(self, scores: Tensor, label: float) -> Tensor:
        """Return E[(D - label)^2] over clips and patches; with `reduction: sum`, summed over t (Eq. 5)."""
        distance = (scores.float() - label).square().mean()
        return scores.shape[1] * distance if self.sums and scores.dim() > 1 else distance
