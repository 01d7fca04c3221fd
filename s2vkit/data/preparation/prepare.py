"""Preparing a corpus: every clip of a dataset loaded once, in several processes, and stored."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from s2vkit.data.arrays import flush, new_array
from s2vkit.data.cache_entries import lock_to_make
from s2vkit.data.preparation.check import check_clip, check_clips
from s2vkit.data.store import Index, Record
from s2vkit.data.workers import worker_pool, worker_state
from s2vkit.errors import InputError
from s2vkit.files import atomic_folder, recover_folder, replacing, write_json
from s2vkit.interfaces.dataset import ClipFiles, Dataset

Progress = Callable[[int, int], None]


def prepare(
    dataset: Dataset, folder: Path, *, workers: int, progress: Progress, max_rejected: float = 0.5
) -> None:
    """Load every clip and write the corpus folder; a killed preparation goes on where it was.

    A clip whose `load` raises InputError, or that breaks the dataset's own word, is rejected
    with its reason. Where another run is just making the folder, waits for that one. Raises
    InputError if there is no clip, or where more than `max_rejected` of them were rejected.
    """
    clips = dataset.clips()
    check_clips(clips, dataset)
    with lock_to_make(folder):
        if recover_folder(folder):
            return
        parts = folder.with_name(folder.name + ".parts")
        parts.mkdir(parents=True, exist_ok=True)
        rejected = _load_missing(dataset, clips, parts, workers, progress)
        if len(rejected) > max_rejected * len(clips):
            name, reason = next(iter(rejected.items()))
            raise InputError(
                f"{len(rejected)} of {len(clips)} clips cannot be used, for example {name}: {reason}",
                hint="check `data:` in the recipe, and the files it names",
            )
        with atomic_folder(folder) as part:
            _assemble(dataset, clips, parts, part, rejected)
        shutil.rmtree(parts)


def _load_missing(
    dataset: Dataset, clips: list[ClipFiles], parts: Path, workers: int, progress: Progress
) -> dict[str, str]:
    todo = [i for i in range(len(clips)) if not _part(parts, i).exists()]
    rejected: dict[str, str] = {}
    for done, (i, reason) in enumerate(_load_all(dataset, parts, todo, workers), 1):
        if reason:
            rejected[clips[i].name] = reason
        progress(len(clips) - len(todo) + done, len(clips))
    return rejected


def _part(parts: Path, index: int) -> Path:
    return parts / f"{index:07d}.npz"


def _load_all(dataset: Dataset, parts: Path, todo: list[int], workers: int) -> Iterator[tuple[int, str]]:
    if workers <= 1 or len(todo) < 4:
        yield from (_load_one(dataset, parts, i) for i in todo)
        return
    with worker_pool(workers, dataset) as pool:
        try:
            yield from pool.map(_load_in_worker, [parts] * len(todo), todo, chunksize=2)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _load_in_worker(parts: Path, index: int) -> tuple[int, str]:
    return _load_one(worker_state(), parts, index)


def _load_one(dataset: Dataset, parts: Path, index: int) -> tuple[int, str]:
    try:
        clip = dataset.load(index)
        check_clip(clip, dataset)
    except InputError as error:
        return index, error.message
    truth: dict[str, Any] = {f"truth.{k}": v for k, v in clip.truth.items()}
    with replacing(_part(parts, index)) as part, part.open("wb") as file:
        np.savez(file, frames=clip.frames, speech=clip.speech, **truth)
    return index, ""


def _assemble(
    dataset: Dataset, clips: list[ClipFiles], parts: Path, out: Path, rejected: dict[str, str]
) -> None:
    kept = [i for i in range(len(clips)) if clips[i].name not in rejected]
    records = list(_lay_out(clips, parts, kept))
    frames = sum(record.frames for record in records)
    samples = sum(record.samples for record in records)
    size = dataset.size
    all_frames = new_array(out / "frames.npy", (frames, size, size, 3), np.uint8)
    all_speech = new_array(out / "speech.npy", (samples,))
    truths: dict[str, dict[int, np.ndarray]] = {}  # name -> first frame of a clip -> its truth
    content = hashlib.sha256()
    for i, record in zip(kept, records, strict=True):
        with np.load(_part(parts, i)) as arrays:
            all_frames[record.frame : record.frame + record.frames] = arrays["frames"]
            all_speech[record.sample : record.sample + record.samples] = arrays["speech"]
            content.update(f"{record.name} {record.split} {arrays['frames'].shape}".encode())
            content.update(all_frames[record.frame : record.frame + record.frames].tobytes())
            content.update(all_speech[record.sample : record.sample + record.samples].tobytes())
            for key in arrays.files:
                if key.startswith("truth."):
                    truths.setdefault(key.removeprefix("truth."), {})[record.frame] = arrays[key]
    flush(all_frames, all_speech)
    joined: dict[str, Any] = {name: _join(of_clips, records) for name, of_clips in truths.items()}
    np.savez(out / "truth.npz", **joined)
    labels = {k: tuple(v) for k, v in dataset.labels.items()}
    index = Index(
        size, dataset.fps, dataset.sample_rate, labels, records, dict(rejected), content.hexdigest()[:20]
    )
    write_json(out / "index.json", index.dump())


def _join(of_clips: dict[int, np.ndarray], records: list[Record]) -> np.ndarray:
    """Join a truth of all clips; where a clip lacks it, it is not a number (or an empty text)."""
    one = next(iter(of_clips.values()))
    lacking = np.nan if np.issubdtype(one.dtype, np.number) else ""
    filled = [of_clips.get(r.frame, np.full((r.frames, *one.shape[1:]), lacking)) for r in records]
    return np.concatenate(filled)


def _lay_out(clips: list[ClipFiles], parts: Path, kept: list[int]) -> Iterator[Record]:
    frame = sample = 0
    for i in kept:
        with np.load(_part(parts, i)) as arrays:
            v, s = arrays["frames"].shape[0], arrays["speech"].shape[0]
        clip = clips[i]
        yield Record(clip.name, dict(clip.labels), clip.split, frame, v, sample, s)
        frame, sample = frame + v, sample + s
