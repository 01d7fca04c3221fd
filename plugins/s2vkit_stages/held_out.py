"""What is measured of held-out codes while students learn."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def agreement(code: Tensor, target: Tensor, labels: Tensor | None, places: list[int]) -> dict[str, Tensor]:
    """Compare what logits (B, C) name with what the teacher's name, and with the labels (B,).

    `places` gives each label's class of the teacher, -1 where it knows none.
    """
    named = code.argmax(1)
    found = {"as_teacher": (named == target.argmax(1)).float().mean()}
    if labels is not None and places:
        wanted = torch.tensor([*places, -1], device=labels.device)[labels.long()]
        known = wanted >= 0
        if known.any():
            found["accuracy"] = (named == wanted)[known].float().mean()
    return found


def retrieval(code: Tensor, target: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
    """Look for the face nearest to each code, both (B, dim), by cosine.

    Right is any face with the clip's own label, or without labels the clip's own.
    """
    nearest = (F.normalize(code, dim=1) @ F.normalize(target, dim=1).mT).argmax(1)
    own = torch.arange(len(code), device=code.device) if labels is None else labels
    return {"retrieval": (own[nearest] == own).float().mean()}
