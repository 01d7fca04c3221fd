"""Making a prepared corpus whole: duplicates out, every clip and frame in the index."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2vkit.data.arrays import damaged, flush, new_array
from s2vkit.data.preparation.cut_one import rejected
from s2vkit.data.preparation.listing import FORMAT, Listing, labels_of
from s2vkit.data.preparation.outcome import stop_if_hopeless, write_report
from s2vkit.data.preparation.part import Part
from s2vkit.data.store import Index, Record
from s2vkit.errors import InputError
from s2vkit.files import read_json, replacing, write_json
from s2vkit.interfaces.dataset import Source

CORPUS, SOURCES = "corpus.json", "sources.json"


@dataclass(frozen=True, order=True)
class _Clip:
    source: int
    key: str
    part: int
    frames: int
    samples: int
    content: str


def about(out: Path) -> dict[str, Any] | None:
    """Read the description of a prepared corpus; None if the folder holds no finished one."""
    corpus = read_json(out / CORPUS)
    return corpus if isinstance(corpus, dict) else None


def is_finished(out: Path) -> bool:
    """Return whether a folder holds a prepared corpus that is whole."""
    return about(out) is not None


def finish(listing: Listing, out: Path, max_rejected: float) -> None:
    """Write index, report and CORPUS from parts that are all done."""
    parts = [Part(out, number) for number in range(len(listing.parts))]
    _drop_duplicates(listing, parts)
    results = [_light(one) for part in parts for one in part.results()]
    write_report(out, listing, results)
    tally = Counter(str(one["status"]) for one in results)
    rejected = [one for one in results if one["status"] == "rejected"]
    stop_if_hopeless(tally, len(results), max_rejected, rejected[-1] if rejected else {})
    clips = sorted(_clips(parts))
    if not clips:
        raise InputError(f"{out}: no clip could be extracted", hint="report.csv gives the reasons")
    _place_all(out, parts, clips)
    reasons = {str(one["name"]): f"{one['reason']}: {one['detail']}" for one in rejected}
    write_index(listing, out, [(c.source, c.key, c.frames, c.samples) for c in clips], reasons)
    contents = hashlib.sha256("".join(c.content for c in clips).encode()).hexdigest()
    conclude(listing, out, len(listing.sources), len(clips), contents)


def write_index(
    listing: Listing, out: Path, clips: list[tuple[int, str, int, int]], rejected: dict[str, str]
) -> None:
    """Write index.json of clips (source, key, frames, samples), and sources.json.

    The labels are those known now. There is no split: it belongs to each run.
    """
    cutting = listing.cutting
    records, frame, sample = [], 0, 0
    for source, key, frames, samples in clips:
        found_source = listing.sources[source]
        labels = dict(found_source.labels)
        records.append(Record(key, labels, "", frame, frames, sample, samples))
        frame, sample = frame + frames, sample + samples
    known = labels_of(records)
    index = Index(cutting.size, cutting.fps, cutting.sample_rate, known, records, rejected)
    _write_compactly(out / "index.json", index.dump())
    facts = [{"name": s.name, "labels": dict(s.labels), "facts": dict(s.facts)} for s in listing.sources]
    _write_compactly(out / SOURCES, facts)


def _write_compactly(path: Path, data: Any) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        json.dump(data, file, ensure_ascii=False)


def read_sources(out: Path) -> list[Source]:
    """Read the sources of a finished corpus: names, labels when it was prepared, and facts."""
    path = out / SOURCES
    try:
        stored = read_json(path)
        return [Source(one["name"], Path(), one["labels"], "", facts=one["facts"]) for one in stored]
    except (KeyError, TypeError) as error:
        raise damaged(path, "not the sources of a prepared corpus") from error


def conclude(listing: Listing, out: Path, sources: int, clips: int, contents: str) -> None:
    """Write CORPUS, which marks the corpus as whole and tells it from every other.

    `contents` is a hash of all clips' bytes.
    """
    identity = hashlib.sha256((out / "index.json").read_bytes() + contents.encode())
    write_json(
        out / CORPUS,
        {
            "format": FORMAT,
            "dataset": listing.dataset,
            "identity": identity.hexdigest(),
            "contents": contents,
            "settings": listing.settings,
            "sources": sources,
            "clips": clips,
        },
    )


def source_of(key: str, sources: Container[str]) -> str:
    """Name the source that a clip was cut from."""
    return key if key in sources else key.rpartition("-")[0]


def _drop_duplicates(listing: Listing, parts: list[Part]) -> None:
    """Keep of sources with the same bytes the first; the others' clips leave their shards."""
    first: dict[str, int] = {}
    rows = [
        (one["source"], one.get("fingerprint"), bool(one["clips"]), number)
        for number, part in enumerate(parts)
        for one in part.results()
    ]
    drops: dict[int, dict[int, dict[str, Any]]] = {}
    for source, fingerprint, has_clips, number in sorted(rows):
        if not (fingerprint and has_clips):
            continue
        original = first.setdefault(fingerprint, source)
        if original != source:
            why = f"the same file as {listing.sources[original].path}"
            drops.setdefault(number, {})[source] = rejected("duplicate", why)
    for number, reasons in drops.items():
        parts[number].drop(reasons)


def _light(result: dict[str, Any]) -> dict[str, Any]:
    return {**result, "clips": [None] * len(result["clips"])}


def _clips(parts: list[Part]) -> Iterator[_Clip]:
    for number, part in enumerate(parts):
        for result in part.results():
            for clip in result["clips"]:
                yield _Clip(
                    result["source"],
                    clip["key"],
                    number,
                    len(clip["frames"]),
                    clip["samples"],
                    clip["content"],
                )


def _place_all(out: Path, parts: list[Part], clips: list[_Clip]) -> None:
    """Write frames_at.npy (all frames, 2) and clips_at.npy (clips, 3)."""
    at = {clip.key: i for i, clip in enumerate(clips)}
    if len(at) < len(clips):
        raise InputError(f"{out}: two clips have one name", hint="rename one of their files")
    first = np.concatenate([[0], np.cumsum([clip.frames for clip in clips])])
    places, sounds = out / "frames_at.npy", out / "clips_at.npy"
    with replacing(places) as one, replacing(sounds) as other:
        frames_at = new_array(one, (int(first[-1]), 2), np.int64)
        clips_at = new_array(other, (len(clips), 3), np.int64)
        for number, part in enumerate(parts):
            for result in part.results():
                for clip in result["clips"]:
                    i = at[clip["key"]]
                    frames_at[first[i] : first[i + 1]] = clip["frames"]
                    clips_at[i] = (number, *clip["speech"])
        flush(frames_at, clips_at)
        del frames_at, clips_at
