"""The contracts of datasets: they provide clips, or footage; the host crops, splits, stores and samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class ClipFiles:
    """What is known about a clip before it is loaded."""

    name: str  # unique in the corpus, a valid file name
    labels: Mapping[str, str]  # "identity" -> speaker, "emotion" -> emotion, "sentence" -> ...
    split: str  # train, val or test


@dataclass
class RawClip:
    """A clip, loaded."""

    frames: np.ndarray  # (V, H, W, 3) uint8 RGB at the dataset's fps
    speech: np.ndarray  # (S,) float32 in [-1, 1] at the dataset's sample rate
    truth: dict[str, np.ndarray] = field(default_factory=dict)  # name -> (V, ...), numbers of each frame


@dataclass(frozen=True)
class Source:
    """A file of a talking face, before it is cut into clips."""

    name: str  # unique in the corpus, a valid file name
    path: Path  # the video
    labels: Mapping[str, str]  # "identity" -> speaker, "emotion" -> emotion, ... what is known
    split: str  # train, val or test
    sound: Path | None = None  # a separate sound file, or None: the video's own track
    facts: Mapping[str, str] = field(default_factory=dict)  # all that labels and split follow from
    spare: Path | None = None  # a sound file that is taken where the video has no sound, or silence
    parts: Mapping[str, float] = field(default_factory=dict)  # split -> share of each clip's time, in
    # this order: the clips are divided among the splits; none: they are whole, and of `split`


class Dataset:
    """Base of datasets of clips, built as `Dataset(options, seed=...)`; cheap to build and to pickle.

    The host loads clips in several processes, in any order, and rejects those whose
    `load` raises InputError, with its reason.
    """

    size: int  # H = W of the frames
    fps: float
    sample_rate: int
    labels: dict[str, tuple[str, ...]]  # "identity" -> speakers, "emotion" -> emotions

    def clips(self) -> list[ClipFiles]:
        """List every clip, in a fixed order."""
        raise NotImplementedError

    def load(self, index: int) -> RawClip:
        """Load (or make) clip `index`; the same for the same options and seed."""
        raise NotImplementedError


@dataclass(frozen=True)
class Survey:
    """What a dataset finds in its root folder, before any file is read."""

    found: int  # videos that are there
    expected: int | None = None  # videos of the whole corpus, where that is known
    missing: tuple[str, ...] = ()  # what the corpus has and the folder lacks
    extra: tuple[str, ...] = ()  # what lies there and is no part of the corpus
    notes: tuple[str, ...] = ()  # what else a user may want to know
    source: str = ""  # where the corpus comes from
    licence: str = ""  # and under which licence


class Footage:
    """Base of datasets of videos that are not yet cut, built as `Dataset(options, seed=...)`.

    Its options derive from `FootageOptions`. The host cuts every source into clips of faces,
    rejects what cannot be used, with its reason, and keeps the clips as shards. Labels
    that are not known are left out of `Source.labels`.

    A prepared corpus keeps the names and facts of its sources, and no split: each run labels and
    splits them by its own options and seed, even where the root is gone.
    """

    def survey(self) -> Survey:
        """Inspect the root folder. Raises InputError if it holds nothing of the corpus."""
        raise NotImplementedError

    def sources(self) -> list[Source]:
        """List every video, in a fixed order; the same for the same root, options and seed."""
        raise NotImplementedError

    def relabel(self, sources: Sequence[Source]) -> list[Source]:
        """Label and split each source by its name and facts, the options and the seed.

        The root is not read. `sources` returns the same for all sources of the root.
        """
        raise NotImplementedError
