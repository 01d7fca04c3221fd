"""Fields that are computed by the frozen audio encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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

_SPEECH = FrozenFeatures("speech")


@dataclass(frozen=True)
class _OfEncoder(BatchField):
    """Base of fields that the encoder gives."""

    def frozen(self) -> tuple[FrozenFeatures, ...]:
        """Ask for the encoder's features and summaries."""
        return (_SPEECH,)

    def networks(self) -> tuple[str, ...]:
        """Follow from the encoder's weights."""
        return ("encoder",)


@dataclass(frozen=True)
class FeatureField(_OfEncoder):
    """A field that reads the features of frames.

    With `variants` N, each step reads them of a clip's speech as it was recorded, or of one of N
    versions of it, as other recordings of it might sound; fields of the same N read the same one.
    """

    variants: int = field(default=0, kw_only=True)

    def frozen(self) -> tuple[FrozenFeatures, ...]:
        """Ask for the encoder's features, and for those of the versions."""
        return (_SPEECH, self._versions) if self.variants else (_SPEECH,)

    @property
    def _versions(self) -> FrozenFeatures:
        return FrozenFeatures("variants", count=self.variants)

    def read(self, source: BatchSource, sample: ClipSample, places: np.ndarray) -> Tensor:
        """Read features at places (B, ...), each clip's of one version; they may be kept as float16."""
        features = torch.from_numpy(source.frozen(_SPEECH)["features"][places]).float()
        if self.variants and sample.step is not None:
            variants = source.frozen(self._versions)["features"]
            random = sample.generator("variants", sample.step)
            most = self.variants + 1
            chosen = sample.draw(lambda count: torch.randint(most, (count,), generator=random)).numpy()
            rows = np.flatnonzero(chosen)
            versions = (chosen[rows] - 1).reshape(-1, *[1] * (places.ndim - 1))
            features[rows] = torch.from_numpy(variants[versions, places[rows]]).float()
        return features


@dataclass(frozen=True)
class Features(FeatureField):
    """`features` (B, V, D): the encoder's, at the sampled frames."""

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Read the features."""
        places = _first_frames(source, sample)[:, None] + sample.frames
        return {"features": self.read(source, sample, places)}

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake features."""
        return {"features": noise(sizes.clips, sizes.frames, sizes.graph.encoder.dim)}


@dataclass(frozen=True)
class Context(FeatureField):
    """`context` (B, V, 2R+1, D): features of R = `radius` frames to either side of each frame.

    Beyond the ends of a clip its first and last are repeated.
    """

    radius: int = 1

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Read the features of the neighbourhoods."""
        counts = np.array([source.store.clips[i].frames for i in sample.clips])[:, None, None]
        offsets = np.arange(-self.radius, self.radius + 1)
        at = np.clip(sample.frames[:, :, None] + offsets, 0, counts - 1)
        return {"context": self.read(source, sample, _first_frames(source, sample)[:, None, None] + at)}

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake features."""
        shape = (sizes.clips, sizes.frames, 2 * self.radius + 1, sizes.graph.encoder.dim)
        return {"context": noise(*shape)}


@dataclass(frozen=True)
class Mismatched(FeatureField):
    """`mismatched` (B, V, D): features of the same clips at other times, `gap` frames away at least."""

    gap: int = 5

    def sampling(self) -> dict[str, int]:
        """Ask for times that are far enough away."""
        return {"gap": self.gap}

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Read the features at the other times."""
        places = _first_frames(source, sample)[:, None] + sample.indices.others
        return {"mismatched": self.read(source, sample, places)}

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake features."""
        return {"mismatched": noise(sizes.clips, sizes.frames, sizes.graph.encoder.dim)}


@dataclass(frozen=True)
class Summary(_OfEncoder):
    """`summary` (B, E): the encoder's of each clip, or of one of its segments, anew each step.

    With `segments` N, the whole clip or one of N parts of it are equally likely; the share `vary`
    of the parts sounds as another recording of them might. Parts are a third to nine tenths of the
    clip long, or from `shortest` seconds up to all of it, each doubling as likely as another.
    """

    segments: int = 0
    vary: float = 0.0
    shortest: float = 0.0

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Read the summaries."""
        summary = np.array(source.frozen(_SPEECH)["summary"][sample.clips])
        if self.segments and sample.step is not None:
            parts = source.frozen(self._segments)["segments"]
            random = sample.generator("stretch", sample.step)  # a stream's name: part of the seed
            most = self.segments + 1
            chosen = sample.draw(lambda count: torch.randint(most, (count,), generator=random)).numpy()
            for row in np.flatnonzero(chosen):
                summary[row] = parts[sample.clips[row], chosen[row] - 1]
        return {"summary": torch.from_numpy(summary)}

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake summaries."""
        return {"summary": noise(sizes.clips, sizes.graph.encoder.summary_dim)}

    def frozen(self) -> tuple[FrozenFeatures, ...]:
        """Ask for summaries, and for those of segments."""
        return (_SPEECH, self._segments) if self.segments else (_SPEECH,)

    @property
    def _segments(self) -> FrozenFeatures:
        return FrozenFeatures("segments", count=self.segments, vary=self.vary, shortest=self.shortest)


@dataclass(frozen=True)
class SegmentSummaries(Summary):
    """`segments` (B, N, E): all that `Summary` draws from for each clip, in batches for `Stage.start`.

    The whole clip and its segments, of which there are fewer where so many clips have more than `most`
    in all. A training step has none: one of them is its `summary`.
    """

    most: int = 16384

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Read the summaries, unless they are for a training step."""
        if sample.step is not None:
            return {}
        found = source.frozen(_SPEECH)["summary"][sample.clips][:, None]
        if self.segments:
            count = max(1, min(self.segments, self.most // max(1, len(sample.clips))))
            parts = source.frozen(self._segments)["segments"]
            found = np.concatenate([found, np.stack([parts[i, :count] for i in sample.clips])], 1)
        return {"segments": torch.from_numpy(found.astype(np.float32))}

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake summaries."""
        return {"segments": noise(sizes.clips, 1 + self.segments, sizes.graph.encoder.summary_dim)}


def _first_frames(source: BatchSource, sample: ClipSample) -> np.ndarray:
    """Find where the frames of each clip begin in the arrays of the whole corpus: (B,)."""
    return np.array([source.store.clips[i].frame for i in sample.clips])
