"""Several recordings at once: what a GPU has room for, and what saves a server time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit.inference.entrance import loudness_of
from s2vkit.inference.frame_stream import FrameStream, Scene
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.inference.steering import Steering
from s2vkit.interfaces.batch import Conditioning, neighbours

CLIPS = 16  # generated at once


def generate_together(
    pipeline: InferencePipeline, speeches: Sequence[np.ndarray], steering: Mapping[str, Steering]
) -> list[Tensor]:
    """Generate the frames [(V, 3, H, W)] of recordings (S,), several clips in one batch.

    What a generator that remembers, or steering that changes over time, does not allow in a
    batch is generated clip by clip.
    """
    generator = pipeline.graph.generator
    assert generator is not None
    alone = generator.audio_samples or any(len(one.times) > 1 for one in steering.values())
    if alone:
        return [_one(pipeline, speech, steering) for speech in speeches]
    order = sorted(range(len(speeches)), key=lambda i: len(speeches[i]))  # of about one length
    found: dict[int, Tensor] = {}
    for start in range(0, len(order), CLIPS):
        rows = order[start : start + CLIPS]
        found.update(zip(rows, _batch(pipeline, [speeches[i] for i in rows], steering), strict=True))
    return [found[i] for i in range(len(speeches))]


def _one(pipeline: InferencePipeline, speech: np.ndarray, steering: Mapping[str, Steering]) -> Tensor:
    clip = pipeline.condition(speech, pipeline.count_frames(len(speech)))
    loudness = loudness_of(pipeline.graph.encoder, [speech])
    scene = Scene(steering, clip.codes, loudness, peak=float(np.abs(speech).max()))
    stream = FrameStream(pipeline, scene)
    return torch.cat([*stream.push(speech), *stream.finish()])


@torch.inference_mode()
def _batch(
    pipeline: InferencePipeline, speeches: list[np.ndarray], steering: Mapping[str, Steering]
) -> list[Tensor]:
    counts = [pipeline.count_frames(len(speech)) for speech in speeches]
    clips = [pipeline.condition(s, n) for s, n in zip(speeches, counts, strict=True)]
    # Repeating the last feature is what `neighbours` does beyond the end of a clip, too.
    features = torch.cat([_padded(clip.features, max(counts)) for clip in clips])
    codes = {side: torch.cat([clip.codes[side] for clip in clips]) for side in clips[0].codes}
    now = torch.zeros(1, dtype=torch.float64)
    for side, one in steering.items():
        code = one.to(features.device).code(codes.get(side), now)
        codes[side] = code.expand(len(clips), -1)
    radius = pipeline.graph.generator.context_radius if pipeline.graph.generator else 0
    step, parts = max(1, pipeline.chunk // len(clips)), []
    for start in range(0, max(counts), step):
        stop = min(start + step, max(counts))
        context = neighbours(features, radius, start, stop) if radius else None
        times = torch.arange(start, stop, device=features.device)[None]
        part = Conditioning(features[:, start:stop], codes, context, times=times)
        parts.append(pipeline.output(part).frames.float().clamp(-1, 1))
    frames = torch.cat(parts, 1)
    return [frames[row, :count] for row, count in enumerate(counts)]


def _padded(features: Tensor, frames: int) -> Tensor:
    """Repeat the last feature of (1, V, D): (1, frames, D)."""
    lacking = frames - features.shape[1]
    return F.pad(features.transpose(1, 2), (0, lacking), mode="replicate").transpose(1, 2)
