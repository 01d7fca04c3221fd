"""Fields that are computed by the frozen face teachers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from s2vkit.interfaces.fields.base import (
    BatchField,
    BatchSizes,
    BatchSource,
    ClipSample,
    FrozenFeatures,
    Value,
)


@dataclass(frozen=True)
class Targets(BatchField):
    """`targets.SIDE` (B, dim): a teacher's vector of each clip, the mean over frames (Eq. 1).

    The teacher sees `cached` frames of every clip once (1: the first frame); the mean of each
    step is over `k` of them, drawn anew.
    """

    side: str
    k: int = 1
    cached: int = 1

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Read the vectors of the chosen frames and average them."""
        vectors = source.frozen(self.frozen()[0])["targets"]
        rows = torch.from_numpy(np.array(vectors[sample.clips][:, self._chosen(sample)]))
        return {f"targets.{self.side}": rows.mean(1)}

    def _chosen(self, sample: ClipSample) -> np.ndarray:
        if sample.step is None:
            return np.arange(self.cached)
        # The names of random streams are part of the seed: a new name would change every draw.
        random = sample.generator("views", self.side, sample.step)
        return torch.randperm(self.cached, generator=random)[: self.k].numpy()

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake vectors."""
        return {f"targets.{self.side}": noise(sizes.clips, sizes.graph.teachers[self.side].dim)}

    def frozen(self) -> tuple[FrozenFeatures, ...]:
        """Ask for the teacher's vectors."""
        return (FrozenFeatures("targets", self.side, self.cached),)

    def networks(self) -> tuple[str, ...]:
        """Follow from the teacher's weights."""
        return (f"teacher.{self.side}",)


@dataclass(frozen=True)
class IdentityMaps(BatchField):
    """`identity_maps` [(B, C, h, w)]: a teacher's maps of the first frame, channels last.

    The teacher is that of `side`: the identity teacher in the paper.
    """

    side: str = "identity"

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Read the maps."""
        arrays = source.frozen(self.frozen()[0])
        maps = [torch.from_numpy(np.array(one[sample.clips])).float() for one in numbered(arrays, "maps")]
        return {"identity_maps": [one.contiguous(memory_format=torch.channels_last) for one in maps]}

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake maps."""
        shapes = sizes.graph.teachers[self.side].map_shapes
        maps = [noise(sizes.clips, *shape) for shape in shapes]
        return {"identity_maps": [one.contiguous(memory_format=torch.channels_last) for one in maps]}

    def frozen(self) -> tuple[FrozenFeatures, ...]:
        """Ask for the teacher's maps."""
        return (FrozenFeatures("maps", self.side),)

    def networks(self) -> tuple[str, ...]:
        """Depend on the teacher's weights."""
        return (f"teacher.{self.side}",)


def numbered(arrays: object, prefix: str) -> list[np.ndarray]:
    """Return the arrays PREFIX0, PREFIX1 and so on, in order."""
    found: list[np.ndarray] = arrays.named(prefix)  # type: ignore[attr-defined]
    return found
