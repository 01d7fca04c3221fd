"""The Frechet distance of two clouds of features, each taken for a Gaussian."""

from __future__ import annotations

import torch
from torch import Tensor

from s2vkit import InputError


class Cloud:
    """Mean and covariance of features that come in pieces, without keeping the features."""

    def __init__(self) -> None:
        self.count = 0
        self.total: Tensor | None = None  # (D,) float64
        self.products: Tensor | None = None  # (D, D) float64

    def add(self, features: Tensor) -> None:
        """Add features (N, D)."""
        features = features.detach().cpu().double()
        if self.total is None or self.products is None:
            self.total = features.new_zeros(features.shape[1])
            self.products = features.new_zeros(features.shape[1], features.shape[1])
        self.count += len(features)
        self.total += features.sum(0)
        self.products += features.mT @ features

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return the mean (D,) and the covariance (D, D), divided by N - 1.

        Raises InputError if there are fewer than two.
        """
        if self.count < 2 or self.total is None or self.products is None:
            raise InputError(
                f"a Frechet distance needs at least 2 samples a side, not {self.count}",
                hint="evaluate more or longer clips",
            )
        mean = self.total / self.count
        spread = self.products - self.count * torch.outer(mean, mean)
        return mean, spread / (self.count - 1)


def frechet(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
    """Return |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two (mean, covariance).

    The trace of the root is the sum of the roots of the eigenvalues of C1^(1/2) C2 C1^(1/2),
    which is symmetric: no root of a general matrix, no imaginary part, singular ones too.
    """
    (mean1, cov1), (mean2, cov2) = one, other
    values, vectors = torch.linalg.eigh(cov1)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.mT
    shared = torch.linalg.eigvalsh(root @ cov2 @ root).clamp(min=0).sqrt().sum()
    apart = (mean1 - mean2).square().sum()
    return float((apart + cov1.trace() + cov2.trace() - 2 * shared).clamp(min=0))


class Clouds:
    """The features of generated and of real clips; those of real ones also in two halves, clip by clip."""

    def __init__(self) -> None:
        self.generated, self.real = Cloud(), Cloud()
        self._halves = Cloud(), Cloud()
        self._clips = 0

    def add(self, generated: Tensor, real: Tensor) -> None:
        """Add features (N, D) of one clip, or of a part of it."""
        self.generated.add(generated)
        self.real.add(real)
        self._halves[self._clips % 2].add(real)

    def end_clip(self) -> None:
        """Go on to the next clip."""
        self._clips += 1

    def distance(self) -> float:
        """Return the distance of generated to real features, NaN if there are too few."""
        if min(self.generated.count, self.real.count) < 2:
            return float("nan")
        return frechet(self.generated.moments(), self.real.moments())

    def between_halves(self) -> float | None:
        """Return the distance of the real features of every other clip to the rest, if there are enough."""
        if min(half.count for half in self._halves) < 2:
            return None
        one, other = (half.moments() for half in self._halves)
        return frechet(one, other)
