"""The facts of a prepared corpus: how much of what, and what looks wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2vkit.data.preparation.finish import about, is_finished
from s2vkit.data.preparation.outcome import read_report, summary
from s2vkit.data.shards.shard_store import ShardStore, shard_name
from s2vkit.data.store import ClipStore, Record
from s2vkit.errors import InputError

_DARK, _FLAT = 20.0, 4.0  # of 255: the mean of a picture, its standard deviation
_QUIET, _CLIPPED = 0.01, 0.02  # peak of speech; share of samples at the limit


@dataclass(frozen=True)
class Count:
    """How much there is of one label's value, or of all."""

    clips: int
    seconds: float
    by_split: dict[str, int]  # clips


def open_corpus(folder: Path) -> ClipStore:
    """Open a prepared corpus of either form. Raises InputError if there is none."""
    if is_finished(folder):
        return ShardStore(folder)
    if (folder / "frames.npy").exists():
        return ClipStore(folder)
    begun = (folder / "parts").is_dir()
    raise InputError(
        f"{folder}: {'a corpus that is not whole yet' if begun else 'not a prepared corpus'}",
        hint="run the same `s2vkit prepare` again" if begun else "make one by `s2vkit prepare`",
    )


def count(store: ClipStore, label: str) -> dict[str, Count]:
    """Count clips and seconds by the values of a label, or by "split"."""
    groups: dict[str, list[Record]] = {}
    for clip in store.clips:
        value = clip.split if label == "split" else clip.labels.get(label, "(not known)")
        groups.setdefault(value, []).append(clip)
    return {value: _count(clips, store.index.fps) for value, clips in sorted(groups.items())}


def _count(clips: list[Record], fps: float) -> Count:
    splits = dict(Counter(clip.split for clip in clips if clip.split))
    return Count(len(clips), sum(clip.frames for clip in clips) / fps, splits)


def overview(store: ClipStore) -> dict[str, Any]:
    """Return all counts as plain data."""
    index = store.index
    everything = _count(store.clips, index.fps)
    return {
        "folder": str(store.folder),
        "size": index.size,
        "fps": index.fps,
        "sample_rate": index.sample_rate,
        "clips": everything.clips,
        "hours": round(everything.seconds / 3600, 4),
        "labels": {label: len(values) for label, values in index.labels.items()},
        "splits": {k: vars(v) for k, v in count(store, "split").items() if k},
        **{label: {k: vars(v) for k, v in count(store, label).items()} for label in index.labels},
        "outcomes": outcomes(store),
    }


def outcomes(store: ClipStore) -> list[dict[str, Any]]:
    """Return what became of the source files, by reason."""
    if (store.folder / "report.csv").is_file():
        rows = summary(read_report(store.folder))
        return [dict(zip(("outcome", "files", "clips", "hours"), r, strict=True)) for r in rows]
    counts = Counter(reason.split(":")[0] for reason in store.index.rejected.values())
    return [{"outcome": reason, "files": n} for reason, n in counts.most_common()]


def problems(store: ClipStore, looked_at: list[int]) -> list[str]:
    """Look for what may spoil a training; the clips `looked_at` are decoded for it."""
    found = [*_problems_of_index(store), *_problems_of_shards(store)]
    for i in looked_at:
        found += [f"{store.clips[i].name}: {what}" for what in _problems_of_clip(store, i)]
    return found


def _problems_of_index(store: ClipStore) -> list[str]:
    """Look for labels and splits that lack clips; a prepared corpus of footage has no split."""
    found = []
    splits = {split for split in count(store, "split") if split}
    found += [f"no clip in split '{s}'" for s in ("train", "val", "test") if splits and s not in splits]
    for label, values in store.index.labels.items():
        counts = count(store, label)
        empty = [value for value in values if value not in counts]
        unseen = [v for v, c in counts.items() if splits and "train" not in c.by_split and v in values]
        lone = [v for v, c in counts.items() if c.clips == 1 and v in values]
        found += [f"{label}: no clip is left of {_some(empty)}"] if empty else []
        found += [f"{label}: only val and test have {_some(unseen)}"] if unseen else []
        found += [f"{label}: a single clip of {_some(lone)}"] if lone else []
        if "(not known)" in counts:
            found.append(f"{label}: not known of {counts['(not known)'].clips} clips")
    return found


def _problems_of_shards(store: ClipStore) -> list[str]:
    corpus = about(store.folder)
    if corpus is None:
        return []
    sounds = np.load(store.folder / "clips_at.npy", mmap_mode="r")
    gone = [n for n in np.unique(sounds[:, 0]) if not (store.folder / shard_name(int(n))).exists()]
    return [f"{shard_name(int(number))} is missing" for number in gone]


def _problems_of_clip(store: ClipStore, clip: int) -> list[str]:
    record, index = store.clips[clip], store.index
    try:
        frames = store.frames(clip, np.linspace(0, record.frames - 1, 5).round().astype(int))
        speech = store.speech(clip)
    except InputError as error:
        return [error.message]
    found = []
    apart = record.frames / index.fps - len(speech) / index.sample_rate
    found += [f"picture and sound differ by {apart:.2f} s"] if abs(apart) > 0.1 else []
    found += ["very dark"] if frames.mean() < _DARK else []
    found += ["hardly any detail"] if frames.std() < _FLAT else []
    found += ["the picture does not move"] if np.ptp(frames.astype(int), axis=0).max() < 3 else []
    found += ["hardly any sound"] if np.abs(speech).max(initial=0) < _QUIET else []
    found += ["the sound is clipped"] if (np.abs(speech) > 0.999).mean() > _CLIPPED else []
    return found


def spread(store: ClipStore, max_count: int, label: str = "identity") -> list[int]:
    """Choose clips, in turn of each value of a label, at most `most`."""
    groups: dict[str, list[int]] = {}
    for i, clip in enumerate(store.clips):
        groups.setdefault(clip.labels.get(label, ""), []).append(i)
    turns = max(map(len, groups.values()), default=0)
    order = [group[turn] for turn in range(turns) for group in groups.values() if turn < len(group)]
    if len(groups) >= max_count:  # of many speakers, some from everywhere
        return [order[k * len(groups) // max_count] for k in range(max_count)]
    return order[:max_count]


def _some(names: list[str], max_count: int = 5) -> str:
    more = f" and {len(names) - max_count} more" if len(names) > max_count else ""
    return ", ".join(names[:max_count]) + more
