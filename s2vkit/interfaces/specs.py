"""The sizes that flow from the data to every part. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataSpec:
    """The sizes that a dataset gives to everything else."""

    size: int  # H = W of the frames
    fps: float
    sample_rate: int  # Hz
    labels: dict[str, tuple[str, ...]]  # the classes of each label


@dataclass(frozen=True)
class ModelSpec:
    """All that encoder, students and generator need to know of the data and the teachers."""

    data: DataSpec
    codes: dict[str, int]  # size of each side's code; a side without a student is absent
    map_shapes: list[tuple[int, int, int]]  # of the identity teacher: (C, h, w)
