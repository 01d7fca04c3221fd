"""What a run of a recipe will cache, and what it computes live, before anything is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from s2vkit.data.corpus import FootageCorpus
from s2vkit.runs.cache import Cache


@dataclass(frozen=True)
class CachePart:
    """One thing that stages read: the corpus, or an output of a frozen network."""

    what: str
    way: Literal["cached", "live", "shards"]  # of shards: decoded anew whenever it is read
    size: int  # bytes that it takes or would take, estimated until the corpus is prepared


def plan_cache(cache: Cache) -> list[CachePart]:
    """List what the stages of a run read, the corpus first; nothing is made or written."""
    clips, frames = cache.count()
    return [_corpus(cache, clips, frames), *frozen_parts(cache, clips, frames)]


def frozen_parts(cache: Cache, clips: int, frames: int) -> list[CachePart]:
    """List the outputs of frozen networks, the smallest first."""
    live = cache.live(clips, frames)
    return [
        CachePart(features.title, "live" if features in live else "cached", size)
        for features, size in cache.sizes(clips, frames).items()
    ]


def _corpus(cache: Cache, clips: int, frames: int) -> CachePart:
    what, dataset = f"corpus of {clips} clips", cache.dataset
    if isinstance(dataset, FootageCorpus) and dataset.ready:
        return CachePart(what, "cached" if cache.keeps_decoded(dataset) else "shards", dataset.decoded_bytes)
    if isinstance(dataset, FootageCorpus):
        return CachePart(f"corpus of {clips} videos, not prepared yet", "cached", cache.corpus_bytes(frames))
    return CachePart(what, "cached", cache.corpus_bytes(frames))
