"""The conditioning of a stored clip: as `generate` computes it from its speech."""

from __future__ import annotations

from dataclasses import replace

from s2vkit.data.store import ClipStore
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.batch import Conditioning
from s2vkit.speech.conditions import Condition


def condition_clip(
    pipeline: InferencePipeline, store: ClipStore, clip: int, condition: Condition | None = None
) -> Conditioning:
    """Encode a clip's speech, changed by a condition; an image that is needed is the generator's `reference`.

    What a condition adds before the speech or behind it is encoded and then left out.
    """
    reference = pipeline.graph.reference
    image = store.still(clip, reference) if reference else None
    speech, frames = store.speech(clip, pipeline.sample_rate), store.clips[clip].frames
    if condition is None:
        return pipeline.condition(speech, frames, image)
    changed = condition.apply(speech, pipeline.sample_rate, clip)
    first = round(condition.lead * store.index.fps)
    samples = first / store.index.fps * pipeline.sample_rate
    total = max(pipeline.count_frames(len(changed)), first + frames)
    whole = pipeline.condition(changed, total, image)
    return replace(
        whole,
        features=whole.features[:, first : first + frames],
        speech=None if whole.speech is None else whole.speech[round(samples) :],
    )
