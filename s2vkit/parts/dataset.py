"""The contract of a dataset: it brings clips; the host splits, stores and draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class ClipFiles:
    """What is known of a clip before it is loaded."""

    name: str  # unique in the corpus, a valid file name
    labels: Mapping[str, str]  # "identity" -> speaker, "emotion" -> emotion, "sentence" -> ...
    split: str  # train, val or test


@dataclass
class RawClip:
    """A clip, loaded."""

    frames: np.ndarray  # (V, H, W, 3) uint8 RGB at the dataset's fps
    speech: np.ndarray  # (S,) float32 in [-1, 1] at the dataset's sample rate
    truth: dict[str, np.ndarray] = field(default_factory=dict)  # name -> (V,), for metrics only


@dataclass(frozen=True)
class Source:
    """A file of a talking face, before it is cut into clips."""

    name: str  # unique in the corpus, a valid file name
    path: Path  # the video
    labels: Mapping[str, str]  # "identity" -> speaker, "emotion" -> emotion, ... what is known
    split: str  # train, val or test
    sound: Path | None = None  # a separate sound file, or None: the video's own track


@runtime_checkable
class Dataset(Protocol):
    """Built as `Dataset(options, seed=...)`; cheap to build and to pickle.

    The host loads clips in several processes, in any order, and sets aside those whose
    `load` raises InputError, with its reason.
    """

    size: int  # H = W of the frames
    fps: float
    sample_rate: int
    labels: dict[str, tuple[str, ...]]  # "identity" -> speakers, "emotion" -> emotions

    def clips(self) -> list[ClipFiles]:
        """List every clip, in a fixed order."""
        ...

    def load(self, index: int) -> RawClip:
        """Load (or make) clip `index`; the same for the same options and seed."""
        ...
