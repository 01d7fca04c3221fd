"""The contract of a student: from the summary of the speech to a teacher's vector."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Student(Protocol):
    """Built as `Student(options, inputs=..., dim=...)`; an nn.Module."""

    dim: int

    def __call__(self, summary: Tensor) -> Tensor:
        """Map (B, inputs) to (B, dim)."""
        ...
