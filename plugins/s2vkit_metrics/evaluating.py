"""Asking an evaluator: a teacher-like network trained on real faces, never on made ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from s2vkit import InputError, Outcome

_CHUNK = 64


def evaluator_of(outcome: Outcome, side: str) -> Any:
    """Find the evaluator of a name; raises InputError if the outcome brings none."""
    evaluator = outcome.evaluators.get(side)
    if evaluator is None:
        raise InputError(
            f"clip '{outcome.name}': there is no evaluator of {side}",
            hint=f"name one under the recipe's `evaluators`, or leave out what needs evaluator.{side}",
        )
    return evaluator


@torch.no_grad()
def ask(evaluator: Any, frames: Tensor) -> Tensor:
    """Evaluate frames (V, 3, H, W) in [-1, 1]: its logits (V, K), on the CPU."""
    place = next(evaluator.parameters(), frames) if isinstance(evaluator, nn.Module) else frames
    chunks = [evaluator.classify(part.to(place.device).float()) for part in frames.split(_CHUNK)]
    return torch.cat(chunks).float().cpu()
