"""Asking a judge: a teacher-like network trained on real faces, never on made ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from s2vkit import InputError, Outcome

_CHUNK = 64


def judge_of(outcome: Outcome, side: str) -> Any:
    """Find the judge of a name; raises InputError where the outcome brings none."""
    judge = outcome.judges.get(side)
    if judge is None:
        raise InputError(
            f"clip '{outcome.name}': there is no judge of {side}",
            hint=f"name one under the recipe's `judges`, or leave out what needs judge.{side}",
        )
    return judge


@torch.no_grad()
def ask(judge: Any, frames: Tensor) -> Tensor:
    """Let a judge look at frames (V, 3, H, W) in [-1, 1]: its logits (V, K), on the CPU."""
    place = next(judge.parameters(), frames) if isinstance(judge, nn.Module) else frames
    chunks = [judge.classify(part.to(place.device).float()) for part in frames.split(_CHUNK)]
    return torch.cat(chunks).float().cpu()
