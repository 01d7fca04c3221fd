"""Losses between a student's code and what it should not tell: 0 where nothing is to be found."""

from __future__ import annotations

import torch
from torch import Tensor

from s2vkit import IndependenceLoss
from s2vkit.nn import exact_on_device
from s2vkit_losses import DecorrelateOptions, HsicOptions


class Decorrelate(IndependenceLoss):
    """How well ridge regressions tell a code and what it should not tell from each other.

    It is tr(R_x R_y) / B with R = K (K + ridge k I)^-1, K the Gram matrix of the centred
    batch and k the mean of its diagonal: the linear form of the normalised cross-covariance
    of Fukumizu et al. (2007), about the sum of the squared canonical correlations. It is a
    linear adversary that is solved in closed form each step, so there is no game that may
    swing. From 0 (nothing is told, linearly) to the smaller of the two ranks, over B.
    """

    def __init__(self, options: DecorrelateOptions) -> None:
        super().__init__()
        self.ridge = options.ridge

    def forward(self, code: Tensor, other: Tensor) -> Tensor:
        """Compare codes (B, dim) with the other side's (B, any): a scalar, at least 0."""
        with torch.autocast(code.device.type, enabled=False):
            leaked = self._fit(exact_on_device(code)) * self._fit(exact_on_device(other))
        return leaked.sum().clamp(min=0).float() / len(code)

    def _fit(self, x: Tensor) -> Tensor:
        """Make the (B, B) matrix that a ridge regression on `x` smooths targets with."""
        x = x - x.mean(0)
        gram = x @ x.mT
        level = gram.diagonal().mean().clamp(min=1e-12)
        regular = gram + self.ridge * level * torch.eye(len(x), device=x.device, dtype=x.dtype)
        return torch.cholesky_solve(gram, torch.linalg.cholesky(regular))


class Hsic(IndependenceLoss):
    """The Hilbert-Schmidt independence criterion, normalised: any dependence, not only linear.

    The unbiased estimate (Song et al. 2012) over the geometric mean of each side's own, with
    Gaussian kernels as wide as the median distance times `width`; from 0 to 1. Below 0, where
    chance takes the estimate, it is 0. Needs at least 4 clips in a batch, and is 0 below.
    """

    def __init__(self, options: HsicOptions) -> None:
        super().__init__()
        self.width = options.width

    def forward(self, code: Tensor, other: Tensor) -> Tensor:
        """Compare codes (B, dim) with the other side's (B, any): a scalar from 0 to 1."""
        if len(code) < 4:
            return code.sum() * 0.0
        with torch.autocast(code.device.type, enabled=False):
            a, b = self._kernel(code.float()), self._kernel(other.float())
            norm = (_unbiased(a, a) * _unbiased(b, b)).clamp(min=1e-8).sqrt()
        return (_unbiased(a, b) / norm).clamp(min=0)

    def _kernel(self, x: Tensor) -> Tensor:
        """Make the (B, B) Gaussian kernel of `x` without its diagonal."""
        squares = x.square().sum(1)
        apart = (squares[:, None] + squares - 2 * x @ x.mT).clamp(min=0)
        off = ~torch.eye(len(x), dtype=torch.bool, device=x.device)
        scale = apart.detach()[off].median().clamp(min=1e-12) * self.width**2
        return torch.exp(-apart / scale) * off


def _unbiased(a: Tensor, b: Tensor) -> Tensor:
    """Estimate HSIC from kernels (B, B) with empty diagonals (Song et al. 2012, Eq. 5)."""
    n = len(a)
    trace = (a * b).sum()
    sums = a.sum() * b.sum() / ((n - 1) * (n - 2))
    rows = 2.0 * (a.sum(0) * b.sum(0)).sum() / (n - 2)
    return (trace + sums - rows) / (n * (n - 3))
