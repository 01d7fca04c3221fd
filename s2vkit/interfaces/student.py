"""The contract of a student: from the summary of the speech to a teacher's vector."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Student(Protocol):
    """Built as `Student(options, inputs=..., dim=...)`; an nn.Module.

    One whose code comes of a linear layer may say so: `features(summary)`, (B, F), is what the
    nn.Linear `last` makes the code of. Erasure (`distill` with `erase`) asks for both.
    """

    dim: int

    def __call__(self, summary: Tensor) -> Tensor:
        """Map (B, inputs) to (B, dim)."""
        ...
