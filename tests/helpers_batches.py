"""Batches of a stage on the CPU, for tests of what they hold."""

from __future__ import annotations

from typing import Any

import torch

from s2vkit.engine.loading import BatchDataset, BatchLoader
from s2vkit.engine.sources import Sources


def loader_of(sources: Sources, stage: Any, name: str, **more: Any) -> BatchLoader:
    """Load the batches of a stage, or of what has its options and fields."""
    return BatchLoader(BatchDataset(sources, stage, name, seed=1), device=torch.device("cpu"), **more)
