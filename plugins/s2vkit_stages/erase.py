"""Linear erasure: the least change of features after which no line tells a thing of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_MIN_SHARE = 1e-4  # of the greatest covariance of whitened features: below it there is none


def principal(features: Tensor, share: float) -> Tensor:
    """Return the principal components of vectors (N, D) that hold a share of their variance.

    Returns (N, K), each of unit length: where no component is more than rounding, K is 0.
    """
    centred = features.double() - features.double().mean(0)
    left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
    parts = sizes.square() / sizes.square().sum().clamp(min=1e-300)
    before = parts.cumsum(0) - parts
    return left[:, (before < share) & (sizes > _MIN_SHARE * sizes.max())]


def eraser(features: Tensor, targets: Tensor, shrinkage: float) -> tuple[Tensor, Tensor]:
    """Find the affine map after which features (N, F) covary with nothing in targets (N, K).

    LEACE (Belrose et al. 2023): whiten, project out the directions that covary, colour again.
    Whatever matrix whitens, the covariance vanishes on these N; `shrinkage` draws that of
    few clips to a round one, so that the map fits others too. Gives (F, F) and (F,), float64.
    """
    features, targets = features.double(), targets.double()
    mean = features.mean(0)
    centred, targets = features - mean, targets - targets.mean(0)
    sizes, axes = torch.linalg.eigh(centred.mT @ centred / len(centred))
    level = sizes.mean().clamp(min=1e-12)
    scale = ((1 - shrinkage) * sizes.clamp(min=0) + shrinkage * level).sqrt()
    whiten, colour = (axes / scale) @ axes.mT, (axes * scale) @ axes.mT
    together = whiten @ (centred.mT @ targets) / len(centred)
    left, found, _ = torch.linalg.svd(together, full_matrices=False)
    left = left[:, found > _MIN_SHARE * found.max()] if len(found) else left
    project = torch.eye(len(mean), dtype=mean.dtype) - colour @ left @ left.mT @ whiten
    return project, mean - project @ mean


@torch.no_grad()
def fold(last: nn.Linear, project: Tensor, shift: Tensor) -> None:
    """Fold an affine map of a linear layer's input into the layer."""
    weight = last.weight.cpu().double()
    if last.bias is not None:
        last.bias += (weight @ shift).to(last.bias)
    last.weight.copy_((weight @ project).to(last.weight))
