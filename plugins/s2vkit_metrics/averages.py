"""What metrics of single clips share: figures of made and of real frames, a mean over clips."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from s2vkit import Metric, Score


class OverClips(Metric):
    """Base: figures of generated frames, of true ones by the same rule, and by chance."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.generated: list[float] = []
        self.real: list[float] = []
        self.others: list[float] = []

    def score(self, definition: str, details: dict[str, Any] | None = None) -> Score:
        """Return the means over clips."""
        return Score(
            value=fmean(self.generated) if self.generated else float("nan"),
            on_real=fmean(self.real) if self.real else None,
            chance=fmean(self.others) if self.others else None,
            n=len(self.generated),
            definition=definition,
            details=details or {},
            clips=dict(zip(self.names, self.generated, strict=True)),
        )
