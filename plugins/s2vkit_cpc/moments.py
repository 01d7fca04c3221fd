"""Mean and deviation of steps that come in pieces."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from s2vkit.nn import exact_on_device


class Moments(NamedTuple):
    """Mean and squares of all steps so far, in double precision where the device has it."""

    count: Tensor  # () steps
    mean: Tensor  # (B, C)
    squares: Tensor  # (B, C) summed squared distances from the mean

    def add(self, x: Tensor, valid: Tensor | None = None) -> Moments:
        """Add steps (B, C, A), of those only the ones that (A,) `valid` marks, where it is given."""
        x = exact_on_device(x)
        weight = x.new_ones(x.shape[2]) if valid is None else valid.to(x)
        number = weight.sum()
        mean = (x * weight).sum(2) / number.clamp(min=1)
        spread = ((x - mean.unsqueeze(2)).square() * weight).sum(2)
        total, apart = self.count + number, mean - self.mean
        share = number / total.clamp(min=1)
        return Moments(
            total, self.mean + apart * share, self.squares + spread + apart**2 * (self.count * share)
        )

    def pool(self) -> Tensor:
        """Return mean and deviation (B, 2 C)."""
        return torch.cat([self.mean, (self.squares / self.count.clamp(min=1) + 1e-6).sqrt()], 1)


def no_steps(like: Tensor, channels: int) -> Moments:
    """Return the moments of no steps at all, on the device of `like` (B, ...)."""
    zero = exact_on_device(like.new_zeros(len(like), channels))
    return Moments(zero.new_zeros(()), zero, zero.clone())  # exporting takes one tensor for one input
