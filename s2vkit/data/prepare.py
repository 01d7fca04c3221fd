"""Preparing a corpus: every clip of a dataset loaded once, in several processes, and stored."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from s2vkit.data.files import atomic_folder, atomic_path, new_array, write_json
from s2vkit.data.store import Index, Record
from s2vkit.errors import InputError
from s2vkit.parts.dataset import ClipFiles, Dataset

Progress = Callable[[int, int], None]
_dataset: Dataset  # in a worker process: the dataset it loads from


def prepare(
    dataset: Dataset, folder: Path, *, workers: int, progress: Progress, most_aside: float = 0.5
) -> None:
    """Load every clip and write the corpus folder; a killed preparation goes on where it was.

    A clip whose `load` raises InputError is set aside with its reason. Raises InputError where
    there is no clip, or where more than `most_aside` of them were set aside.
    """
    clips = dataset.clips()
    if not clips:
        raise InputError("the dataset has no clip", hint="look at `data:` in the recipe")
    parts = folder.with_name(folder.name + ".parts")
    parts.mkdir(parents=True, exist_ok=True)
    todo = [i for i in range(len(clips)) if not _part(parts, i).exists()]
    aside: dict[str, str] = {}
    for done, (i, reason) in enumerate(_load_all(dataset, parts, todo, workers), 1):
        if reason:
            aside[clips[i].name] = reason
        progress(len(clips) - len(todo) + done, len(clips))
    if len(aside) > most_aside * len(clips):
        name, reason = next(iter(aside.items()))
        raise InputError(
            f"{len(aside)} of {len(clips)} clips cannot be used, for example {name}: {reason}"
        )
    with atomic_folder(folder) as part:
        _assemble(dataset, clips, parts, part, aside)
    shutil.rmtree(parts)


def _part(parts: Path, index: int) -> Path:
    return parts / f"{index:07d}.npz"


def _load_all(
    dataset: Dataset, parts: Path, todo: list[int], workers: int
) -> Iterator[tuple[int, str]]:
    if workers <= 1 or len(todo) < 4:
        _start_worker(dataset, threads=0)
        yield from (_load_one(parts, i) for i in todo)
        return
    context = multiprocessing.get_context("spawn")  # a fork of a threaded torch can hang
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(dataset,)
    ) as pool:
        try:
            yield from pool.map(_load_one, [parts] * len(todo), todo, chunksize=2)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_worker(dataset: Dataset, threads: int = 1) -> None:
    global _dataset
    _dataset = dataset
    if threads:
        import torch

        torch.set_num_threads(threads)


def _load_one(parts: Path, index: int) -> tuple[int, str]:
    try:
        clip = _dataset.load(index)
    except InputError as error:
        return index, error.message
    truth = {f"truth.{k}": v for k, v in clip.truth.items()}
    with atomic_path(_part(parts, index)) as part, part.open("wb") as file:
        np.savez(file, frames=clip.frames, speech=clip.speech, **truth)
    return index, ""


def _assemble(
    dataset: Dataset, clips: list[ClipFiles], parts: Path, out: Path, aside: dict[str, str]
) -> None:
    kept = [i for i in range(len(clips)) if clips[i].name not in aside]
    records: list[Record] = []
    frames = samples = 0
    for i in kept:
        with np.load(_part(parts, i)) as held:
            v, s = held["frames"].shape[0], held["speech"].shape[0]
        clip = clips[i]
        records.append(Record(clip.name, dict(clip.labels), clip.split, frames, v, samples, s))
        frames, samples = frames + v, samples + s
    size = dataset.size
    all_frames = new_array(out / "frames.npy", (frames, size, size, 3), np.uint8)
    all_speech = new_array(out / "speech.npy", (samples,))
    truths: dict[str, list[np.ndarray]] = {}
    for i, record in zip(kept, records, strict=True):
        with np.load(_part(parts, i)) as held:
            all_frames[record.frame : record.frame + record.frames] = held["frames"]
            all_speech[record.sample : record.sample + record.samples] = held["speech"]
            for key in held.files:
                if key.startswith("truth."):
                    truths.setdefault(key.removeprefix("truth."), []).append(held[key])
    all_frames.flush()
    all_speech.flush()
    np.savez(out / "truth.npz", **{k: np.concatenate(v) for k, v in truths.items()})
    index = Index(
        size, dataset.fps, dataset.sample_rate, dict(dataset.labels), records, dict(aside)
    )
    write_json(out / "index.json", index.dump())
