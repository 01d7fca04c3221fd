"""What the batches of a stage are loaded from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from s2vkit.data.arrays import Arrays
from s2vkit.data.store import ClipStore
from s2vkit.interfaces.fields import FrozenFeatures


@dataclass
class Sources:
    """The corpus, and what frozen networks computed of it; see `BatchSource`."""

    store: ClipStore
    sample_rate: int  # Hz, of the speech in batches
    arrays: Mapping[FrozenFeatures, Arrays] = field(default_factory=dict)

    def frozen(self, features: FrozenFeatures) -> Arrays:
        """Return the arrays that a frozen network computed."""
        return self.arrays[features]

    @cached_property
    def label_tables(self) -> dict[str, np.ndarray]:
        """Each label of every clip as a class, -1 where it is unknown: name -> (clips,)."""
        tables = {}
        for label, names in self.store.index.labels.items():
            place = {name: i for i, name in enumerate(names)}
            classes = [place.get(clip.labels.get(label, ""), -1) for clip in self.store.clips]
            tables[label] = np.array(classes)
        return tables
