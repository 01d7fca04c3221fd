"""Losses between a student's code and its teacher's, both (B, dim)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from s2vkit import LossOptions, PairLoss
from s2vkit_losses import SoftTargetsOptions


class NormalizedL2(PairLoss):
    """Eq. 2: the mean over the batch of ||x/|x| - y/|y|||^2, from 0 to 4 (2 - 2 cos).

    The factor 0.025 of the paper is the recipe's `weight`.
    """

    def __init__(self, options: LossOptions) -> None:
        super().__init__()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare codes (B, dim): a scalar."""
        difference = F.normalize(prediction.float(), dim=-1) - F.normalize(target.float(), dim=-1)
        return difference.square().sum(-1).mean()


class SoftTargets(PairLoss):
    """Eq. 3: softmax cross-entropy, summed over dimensions, mean over the batch.

    As printed and called, l(student, teacher), the student's softmax weighs the teacher's
    logarithm, which is least where the student says only the teacher's first choice. Both
    works that the paper draws on (Albanie et al. 2018, Oh et al. 2019) weigh by the teacher,
    and so does the default. No factor T^2 is applied.
    """

    def __init__(self, options: SoftTargetsOptions) -> None:
        super().__init__()
        self.as_printed = options.direction == "as_printed"
        self.temperature = options.temperature

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare the student's (B, dim) with the teacher's: a scalar."""
        weights, logs = (prediction, target) if self.as_printed else (target, prediction)
        share = F.softmax(weights.float() / self.temperature, -1)
        return -(share * F.log_softmax(logs.float() / self.temperature, -1)).sum(-1).mean()
