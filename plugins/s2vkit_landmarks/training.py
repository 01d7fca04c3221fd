"""Training landmarks in the run, on real frames whose true points the corpus knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from s2vkit import (
    Batch,
    BatchField,
    BatchSizes,
    BatchSource,
    ClipSample,
    Frames,
    Graph,
    InputError,
    Landmarks,
    Slot,
    Stage,
    mean_over_processes,
)
from s2vkit_landmarks import LandmarksStageOptions
from s2vkit_landmarks.markup import POINTS
from s2vkit_landmarks.vary import vary


@dataclass(frozen=True)
class TruePoints(BatchField):
    """`points` (B, V, 68, 2): where the parts of the face truly lie, in pixels; NaN where unknown."""

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Any]:
        """Read them of the sampled frames. Raises InputError if the corpus does not know them."""
        store = source.store
        known = store.truths.get("landmarks")
        if known is None or known.shape[1:] != (POINTS, 2):
            raise InputError(
                f"{store.folder}: the corpus holds no landmarks of {POINTS} points to learn from",
                hint="a drawn corpus that an earlier version has cached lacks them: delete that folder and "
                "run again; with other corpora, name landmarks that need no training",
            )
        first = np.array([store.clips[clip].frame for clip in sample.clips])[:, None]
        return {"points": torch.from_numpy(known[first + sample.frames].astype(np.float32))}

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Any]:
        """Return fake points around the middle."""
        spread = 0.5 + 0.2 * noise(sizes.clips, sizes.frames, POINTS, 2)
        return {"points": sizes.graph.data_spec.size * spread}


@dataclass
class Found:
    """Points of a batch of images and the true ones, in pixels."""

    points: Tensor  # (N, P, 2)
    true: Tensor  # (N, P, 2)


class TrainLandmarks(Stage):
    """Regresses the points of the graph's landmarks on the true ones, on varied real frames."""

    fields = (Frames(), TruePoints())
    options: LandmarksStageOptions

    def __init__(self, options: LandmarksStageOptions, *, graph: Graph) -> None:
        self.options, self.graph = options, graph
        self.validate_every = options.validate_every

    def idle(self) -> str:
        """Explain that there is nothing to train."""
        finder = self.graph.landmarks
        if finder is None:
            return "the recipe has no landmarks"
        return "the landmarks need no training" if finder.pretrained else ""

    def optimizers(self) -> dict[str, Slot]:
        """Move the landmarks."""
        return {"landmarks": self.options.optimizer}

    def averages(self) -> dict[str, float]:
        """Average the weights, if asked to."""
        return {"landmarks": self.options.average}

    def shared_forward(self, batch: Batch) -> Found:
        """Find the points of varied frames."""
        images, true = vary(batch["frames"].flatten(0, 1), batch["points"].flatten(0, 1), self.options)
        return Found(self._finder(images)[..., :2], true)

    def loss(self, batch: Batch, shared: Found) -> dict[str, Tensor]:
        """Return the mean distance in x and y, in distances of the eyes."""
        return {"points": self._mean(shared, lambda apart: apart.abs().sum(2))}

    def extra_metrics(self, batch: Batch, shared: Found) -> dict[str, Tensor]:
        """Return the normalized mean error."""
        return {"nme": self._nme(shared)}

    def validate(self, clips: Batch) -> dict[str, Tensor]:
        """Return the normalized mean error of frames as they are."""
        frames, true = clips["frames"].flatten(0, 1), clips["points"].flatten(0, 1)
        return {"nme": self._nme(Found(self._finder(frames)[..., :2], true))}

    @property
    def _finder(self) -> Landmarks:
        assert self.graph.landmarks is not None
        return self.graph.landmarks

    def _nme(self, found: Found) -> Tensor:
        """Average the distance of points to the true ones, in distances of the eyes."""
        return self._mean(found, lambda apart: apart.norm(dim=2))

    def _mean(self, found: Found, measure: Callable[[Tensor], Tensor]) -> Tensor:
        """Average what is measured of (N, P, 2) over points of frames whose true ones are known."""
        known = found.true.isfinite().all(2).all(1)
        true = torch.where(known[:, None, None], found.true, found.points.detach())
        left, right = (_middle(true, self._finder.groups[f"{side}_eye"]) for side in ("left", "right"))
        eyes = (right - left).norm(dim=1).clamp(min=1.0)
        each = measure(found.points - true).mean(1) / eyes
        count = mean_over_processes(known.sum()).clamp(min=1)
        return torch.where(known, each, 0.0).sum() / count


def _middle(points: Tensor, group: Sequence[int]) -> Tensor:
    """Average the points of a group, (N, P, 2): (N, 2)."""
    return points.index_select(1, torch.tensor(group, device=points.device)).mean(1)
