"""The base of batch fields, and what they are loaded from.

Letters: B clips, V sampled frames of each, S samples, D features, E summary, H = W = size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from s2vkit.interfaces.data_parallel import WHOLE, Part, draw_rows

if TYPE_CHECKING:
    from s2vkit.interfaces.graph import Graph

Value = Tensor | list[Tensor]
MakeGenerator = Callable[..., torch.Generator]


@dataclass(frozen=True)
class SampleIndices:
    """Clips (B,), their frames (B, V) and, for each frame, another time of the same clip."""

    clips: np.ndarray
    frames: np.ndarray
    others: np.ndarray

    def of(self, part: Part) -> SampleIndices:
        """Give the rows of a part of the batch."""
        rows = part.rows(len(self.clips))
        return SampleIndices(self.clips[rows], self.frames[rows], self.others[rows])


@dataclass(frozen=True)
class ClipSample:
    """What was sampled for one batch.

    `step` is None for the batches of validation, `Stage.start` and `Stage.finish`, which are always the
    same; what is otherwise chosen at random is then taken whole. `generator(*names)` gives a
    fresh generator that seed, stage and names determine.
    """

    indices: SampleIndices
    step: int | None
    window: int  # the frames are runs of so many consecutive ones
    generator: MakeGenerator
    part: Part = WHOLE  # of the batch; see `draw`

    def draw(self, draw: Callable[[int], Tensor]) -> Tensor:
        """Draw random numbers of each clip (`draw(count)` of `count` clips), whichever part this is."""
        return draw_rows(draw, len(self.clips), self.part)

    @property
    def clips(self) -> np.ndarray:
        """The clips, (B,)."""
        return self.indices.clips

    @property
    def frames(self) -> np.ndarray:
        """Their frames, (B, V)."""
        return self.indices.frames


@dataclass(frozen=True)
class FrozenFeatures:
    """What a frozen network computes once for every clip, and a run caches.

    `what` is speech (features and summary), variants (features of varied speech), segments
    (summaries of parts of clips), targets or maps; `count` is the number of variants, of segments,
    or of the frames of a clip that a teacher sees.
    """

    what: str
    side: str = ""  # of targets and maps
    count: int = 0
    vary: float = 0.0  # share of the segments that are varied
    shortest: float = 0.0  # seconds of the shortest segment; 0: a third of the clip

    @property
    def title(self) -> str:
        """What a user calls them: `emotion targets`."""
        return f"{self.side} {self.what}".strip()


class BatchSource(Protocol):
    """What fields are loaded from: the corpus, and what frozen networks computed of it."""

    @property
    def store(self) -> Any:
        """The corpus, a `ClipStore`."""
        ...

    @property
    def sample_rate(self) -> int:
        """Hz, of the speech in batches."""
        ...

    @property
    def level(self) -> float | None:
        """The level in dB to which the voice in speech is brought; None: as recorded."""
        ...

    def frozen(self, features: FrozenFeatures) -> Any:
        """Return the cached arrays of a frozen network, by name: `Arrays`."""
        ...


@dataclass(frozen=True)
class BatchSizes:
    """The sizes that fields follow from: clips, frames of each, and what the networks give."""

    clips: int
    frames: int
    window: int
    graph: Graph


@dataclass(frozen=True)
class BatchField:
    """One thing that a stage, or a discriminator, needs in its batches.

    A subclass is a frozen dataclass; its own fields are its settings. Two of one class with the
    same settings are one field. Everything else follows from the four methods: real batches,
    fake batches of dry runs and contract checks, which caches are filled, and what a
    stage's result depends on.
    """

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Load the values of a batch, by key, on the CPU: tensors whose first dimension is B.

        Pictures may be uint8 (..., H, W, 3): they become float (..., 3, H, W) in [-1, 1] on the device.
        """
        raise NotImplementedError

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake values of the same keys, shapes and layout; `noise(*shape)` draws float32."""
        raise NotImplementedError

    def frozen(self) -> tuple[FrozenFeatures, ...]:
        """Name what frozen networks must have computed for `load`; by default nothing."""
        return ()

    def networks(self) -> tuple[str, ...]:
        """Name the networks whose weights the values follow from, as `encoder` or `teacher.SIDE`."""
        return ()

    def sampling(self) -> dict[str, int]:
        """Return the requirements on the sampling of frames, by the names of `Sampling`; by default none."""
        return {}

    @property
    def name(self) -> str:
        """What the field is called: its class in lower_snake."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def describe(self) -> dict[str, Any]:
        """Return the class and the settings as plain data: part of a stage's identity."""
        return {"field": type(self).__name__, **asdict(self)}


def channels_last(images: Tensor) -> Tensor:
    """Lay out images (..., C, H, W) in memory as those that are loaded: channel by channel."""
    return images.movedim(-3, -1).contiguous().movedim(-1, -3)


@dataclass(frozen=True)
class Sampling:
    """How the clips of a batch are sampled: frames of each, in runs, and how far a mismatch is."""

    frames: int = 1
    window: int = 1
    gap: int = 5


def sampling_of(fields: Iterable[BatchField]) -> Sampling:
    """Combine the sampling requirements of the fields of a batch: the maximum of each."""
    asked = [field.sampling() for field in fields]
    names = {name for one in asked for name in one}
    return Sampling(**{name: max(one[name] for one in asked if name in one) for name in names})
