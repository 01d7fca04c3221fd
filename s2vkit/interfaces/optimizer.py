"""The contract of an optimizer: a function that makes a torch optimizer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from torch import nn, optim


class MakeOptimizer(Protocol):
    """Registered as the target of kind optimizer."""

    def __call__(self, options: Any, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """Make the optimizer of one part."""
        ...
