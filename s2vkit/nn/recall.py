"""Recalling from a memory by likeness."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def likeness(query: Tensor, keys: Tensor, count: Tensor, temperature: float) -> Tensor:
    """Weigh the first `count` of K keys (K, D) by their likeness to each query (B, D): (B, K), rows of sum 1.

    softmax(cosine / temperature) of directions taken from the mean one, since what all keys have in
    common tells none from another. The other keys are zero.
    """
    used = torch.arange(len(keys), device=query.device) < count
    unit = F.normalize(keys, dim=-1)
    middle = unit.sum(0) / count.clamp(min=1)
    asked, known = (F.normalize(F.normalize(one, dim=-1) - middle, dim=-1) for one in (query.float(), unit))
    return (asked @ known.T / temperature).masked_fill(~used, -1e9).softmax(-1)
