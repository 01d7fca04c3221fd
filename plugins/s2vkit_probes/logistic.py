"""Logistic regression of vectors, its penalty chosen by cross-validation; float64, no chance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
_RELATIVE_RANK = 1e-5  # axes of less than this part of the greatest deviation are noise of rounding


class Logistic:
    """A multinomial logistic regression on standardised vectors.

    The penalty is half of `penalty` times the squared weights, beside the mean cross-entropy.
    Vectors are turned onto their principal axes first, which changes nothing but the time.
    """

    def __init__(self, x: Tensor, y: Tensor, classes: int, penalty: float) -> None:
        x = x.double()
        self.mean = x.mean(0)
        deviation = x.std(0, correction=0)
        self.scale = torch.where(deviation > _RELATIVE_RANK * deviation.max(), deviation, torch.inf)
        turned = (x - self.mean) / self.scale
        axes, found, _ = torch.linalg.svd(turned.mT, full_matrices=False)
        self.axes = axes[:, found > _RELATIVE_RANK * found.max().clamp(min=1e-300)]
        self.weight = _fit(turned @ self.axes, y, classes, penalty)

    def __call__(self, x: Tensor) -> Tensor:
        """Name the most likely class of (N, D): (N,)."""
        turned = (x.double() - self.mean) / self.scale @ self.axes
        return (turned @ self.weight[1:] + self.weight[0]).argmax(1)


def _fit(x: Tensor, y: Tensor, classes: int, penalty: float) -> Tensor:
    """Find the weights (1 + D, classes), the first row the bias, by L-BFGS."""
    weight = x.new_zeros(1 + x.shape[1], classes).requires_grad_()
    optimizer = torch.optim.LBFGS([weight], max_iter=100, tolerance_grad=1e-6, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        error = F.cross_entropy(x @ weight[1:] + weight[0], y)
        error = error + 0.5 * penalty * weight[1:].square().sum()
        error.backward()
        return error

    with torch.enable_grad():
        optimizer.step(closure)
    return weight.detach()


def folds(groups: list[str], count: int) -> list[Tensor]:
    """Part clips into at most `count` folds, none of which shares a group with another: masks."""
    place = {name: i % count for i, name in enumerate(sorted(set(groups)))}
    of = torch.tensor([place[name] for name in groups])
    return [of == fold for fold in range(min(count, len(place)))]


def cross_validated(x: Tensor, y: Tensor, classes: int, groups: list[str]) -> tuple[float, float]:
    """Return the best of the penalties and the share named rightly with it, over four folds."""
    parts = folds(groups, 4)
    if len(parts) < 2:
        return PENALTIES[-2], float("nan")
    scores = []
    for penalty in PENALTIES:
        right = sum(
            int((Logistic(x[~part], y[~part], classes, penalty)(x[part]) == y[part]).sum()) for part in parts
        )
        scores.append(right / len(y))
    best = max(range(len(scores)), key=lambda i: (scores[i], PENALTIES[i]))
    return PENALTIES[best], scores[best]
