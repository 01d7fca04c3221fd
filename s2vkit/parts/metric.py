"""The contract of a metric: it compares made clips with their truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor


@dataclass
class Outcome:
    """One clip, made and true, and those who may judge it."""

    name: str
    made: Tensor  # (V, 3, H, W) in [-1, 1]
    true: Tensor  # (V, 3, H, W) in [-1, 1]
    labels: dict[str, str] = field(default_factory=dict)  # "identity" -> speaker, ...
    truth: dict[str, np.ndarray] = field(default_factory=dict)  # name -> (V,)
    judges: dict[str, Any] = field(default_factory=dict)  # name -> Teacher, trained on real faces
    speech: Tensor | None = None  # (S,) in [-1, 1], what the made clip was made from
    sample_rate: int = 16000  # Hz, of the speech
    fps: float = 25.0
    sync_judge: Any = None  # a SyncJudge, trained on real clips
    shared: dict[str, Any] = field(default_factory=dict)  # what one metric found and another needs


@dataclass(frozen=True)
class Score:
    """What a metric found: over made frames, over real frames by the same rule, by chance."""

    value: float
    on_real: float | None
    chance: float | None
    n: int
    definition: str
    details: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class Metric(Protocol):
    """Built as `Metric(options)`. Registered with wants: e.g. ("judge.identity",)."""

    def update(self, outcome: Outcome) -> None:
        """Take in one clip."""
        ...

    def compute(self) -> Score:
        """Give the figure over all clips taken in."""
        ...
