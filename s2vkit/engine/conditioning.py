"""The conditioning of a stored clip: as `generate` computes it from its speech."""

from __future__ import annotations

from s2vkit.data.store import ClipStore
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.batch import Conditioning


def condition_clip(pipeline: InferencePipeline, store: ClipStore, clip: int) -> Conditioning:
    """Encode a clip's speech; an image of the speaker, if one is needed, is of another clip."""
    image = store.still(clip) if pipeline.graph.takes_reference_image else None
    return pipeline.condition(store.speech(clip, pipeline.sample_rate), store.clips[clip].frames, image)
