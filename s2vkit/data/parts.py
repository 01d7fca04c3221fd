"""Dividing a clip among the splits by its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, pairwise

from s2vkit.data.store import Index, Record
from s2vkit.interfaces.dataset import Source


def divide(clip: Record, source: Source, index: Index) -> Iterator[Record]:
    """Yield the parts of a clip that its source asks for, in time; the clip itself if none are asked for.

    A part too short for one frame is left out. Speech is cut where the frames are.
    """
    if not source.parts:
        yield clip
        return
    ends = [
        round(clip.frames * end / sum(source.parts.values())) for end in accumulate(source.parts.values())
    ]
    for split, (start, end) in zip(source.parts, pairwise([0, *ends]), strict=True):
        samples = [min(clip.samples, round(at / index.fps * index.sample_rate)) for at in (start, end)]
        if end == clip.frames:
            samples[1] = clip.samples
        if end > start and samples[1] > samples[0]:
            yield replace(
                clip,
                name=f"{clip.name}_{split}",
                split=split,
                frame=clip.frame + start,
                frames=end - start,
                sample=clip.sample + samples[0],
                samples=samples[1] - samples[0],
            )


def names_of_parts(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the name and the split of each part of a source that is not cut yet."""
    if not source.parts:
        yield source.name, source.split
    for split in source.parts:
        yield f"{source.name}_{split}", split
