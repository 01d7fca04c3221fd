"""Fields of a batch: each knows how to load itself, how to fake itself, and what it follows from."""

from s2vkit.interfaces.fields.base import (
    BatchField,
    BatchSizes,
    BatchSource,
    ClipSample,
    FrozenFeatures,
    SampleIndices,
    Value,
    sampling_of,
)
from s2vkit.interfaces.fields.clips import AudioWindows, Frames, ReferenceImages, Speech
from s2vkit.interfaces.fields.faces import IdentityMaps, Targets
from s2vkit.interfaces.fields.speech import (
    Context,
    FeatureField,
    Features,
    Mismatched,
    SegmentSummaries,
    Summary,
)

__all__ = [
    "AudioWindows",
    "BatchField",
    "BatchSizes",
    "BatchSource",
    "ClipSample",
    "Context",
    "FeatureField",
    "Features",
    "Frames",
    "FrozenFeatures",
    "IdentityMaps",
    "Mismatched",
    "ReferenceImages",
    "SampleIndices",
    "SegmentSummaries",
    "Speech",
    "Summary",
    "Targets",
    "Value",
    "sampling_of",
]
