"""What the batches of a stage are loaded from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from s2vkit.data.array_writers import MemoryArrays
from s2vkit.data.arrays import Arrays
from s2vkit.data.batch_clips import BatchClips, Picks
from s2vkit.data.store import ClipStore
from s2vkit.engine.frozen_networks import FrozenNetworks
from s2vkit.interfaces.fields import BatchField, FrozenFeatures


@dataclass
class Sources:
    """The corpus, and what frozen networks computed of it; see `BatchSource`."""

    store: ClipStore
    sample_rate: int  # Hz, of the speech in batches
    arrays: Mapping[FrozenFeatures, Arrays | MemoryArrays] = field(default_factory=dict)
    live: Picks = field(default_factory=dict)  # what is computed for the clips of each batch, not cached
    networks: FrozenNetworks | None = None  # which compute it; a loader's worker has none
    level: float | None = None  # dB to which the voice in speech is brought

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "networks": None}

    def frozen(self, features: FrozenFeatures) -> Arrays | MemoryArrays:
        """Return the arrays that a frozen network computed."""
        return self.arrays[features]

    def is_live(self, field: BatchField) -> bool:
        """Say whether a field needs what is not cached."""
        return any(features in self.live for features in field.frozen())

    def of_clips(self, clips: BatchClips) -> Sources:
        """Return the clips of a batch with what is live of them."""
        assert self.networks is not None
        arrays = self.networks.encode_batch(clips, self.live)
        return Sources(clips, self.sample_rate, arrays, level=self.level)  # type: ignore[arg-type]

    def values(self, features: FrozenFeatures, name: str, clips: Sequence[int]) -> np.ndarray:
        """Return rows of an array that has one for each clip, cached or not."""
        if features not in self.live:
            return np.array(self.arrays[features][name][list(clips)])
        assert self.networks is not None
        some = BatchClips(self.store, np.array(clips), self.sample_rate)
        return self.networks.encode_batch(some, {features: self.live[features]})[features][name]

    @cached_property
    def label_tables(self) -> dict[str, np.ndarray]:
        """Each label of every clip as a class, -1 where it is unknown: name -> (clips,)."""
        tables = {}
        for label, names in self.store.index.labels.items():
            place = {name: i for i, name in enumerate(names)}
            classes = [place.get(clip.labels.get(label, ""), -1) for clip in self.store.clips]
            tables[label] = np.array(classes)
        return tables
