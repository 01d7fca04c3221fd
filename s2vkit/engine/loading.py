"""Batches in order of their numbers: sampled, loaded field by field, and brought to the device.

A batch is a pure function of seed, stage and number, so that a resumed run sees the batches of
an unbroken one, whatever worker processes loaded them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from s2vkit.data.batch_clips import BatchClips
from s2vkit.data.sampling import BatchSampler
from s2vkit.data.workers import set_up_worker
from s2vkit.engine.sources import Sources
from s2vkit.errors import ResourceError, S2vkitError
from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.data_parallel import WHOLE, Part
from s2vkit.interfaces.fields import ClipSample, SampleIndices, sampling_of
from s2vkit.interfaces.seed import generator
from s2vkit.interfaces.stage import Stage

PREFETCH = 4  # batches that each worker loads ahead


@dataclass
class Loaded:
    """A batch as it was loaded; `clips` is what its live fields are computed from, if it has any."""

    batch: Batch
    sample: ClipSample
    clips: BatchClips | None = None

    def pin_memory(self) -> Loaded:
        """Put the batch where a GPU can read it while it computes; a DataLoader calls this."""
        return replace(self, batch=self.batch.pin_memory())


class BatchDataset(Dataset[Loaded]):
    """The training batches of one stage by number, on the CPU."""

    def __init__(
        self,
        sources: Sources,
        stage: Stage,
        name: str,
        *,
        seed: int,
        split: str = "train",
        part: Part = WHOLE,
    ) -> None:
        self.part, self.sources, self.fields = part, sources, tuple(dict.fromkeys(stage.fields))
        self.sampling = sampling_of(self.fields)
        self.generator = partial(generator, seed, "draw", name)
        self.sampler = BatchSampler(
            sources.store,
            sources.store.split(split),
            batch=stage.options.batch,
            frames=self.sampling.frames,
            make_generator=self.generator,
            same_speaker=stage.same_speaker,
            balanced=stage.options.sampling == "balanced",
            gap=self.sampling.gap,
            window=self.sampling.window,
        )

    def __getitem__(self, number: int) -> Loaded:
        """Load the batch of a number, or this process's part of it."""
        return self._load(self.sampler.sample(number).of(self.part), number)

    def spread(self, split: str, max_clips: int, runs: int = 0, consecutive: bool = False) -> Loaded | None:
        """Load one batch of at most `max_clips` clips of a split, always the same; None: it is empty.

        Whole clips are encoded, all cached frames averaged, `runs` of frames (0: as many as in training)
        spread over each clip or, `consecutive`, one after the other in its middle, each with a mismatch half
        a clip away.
        """
        store, window = self.sources.store, self.sampling.window
        runs = runs or self.sampling.frames // window
        found = [i for i, clip in enumerate(store.clips) if clip.split == split]
        if not found:
            return None
        count = min(max_clips, len(found))
        clips = np.array([found[i * len(found) // count] for i in range(count)])
        places = np.array([max(store.clips[i].frames - window + 1, 1) for i in clips])[:, None]
        if consecutive:
            first = np.maximum(places - runs * window, 0) // 2
            starts = np.minimum(first + np.arange(runs) * window, places - 1)
        else:
            starts = (places * (np.arange(runs) + 0.5) / runs).astype(int)
        others = (starts + np.maximum(self.sampling.gap, places // 2)) % places
        lengthen = self.sampler.lengthen
        lengths = np.array([store.clips[i].frames for i in clips])
        return self._load(SampleIndices(clips, lengthen(starts, lengths), lengthen(others, lengths)), None)

    def complete(self, loaded: Loaded) -> Batch:
        """Add what is computed live, by the networks, which a loader's worker does not have."""
        if loaded.clips is None:
            return loaded.batch
        sources, indices = self.sources.of_clips(loaded.clips), loaded.sample.indices
        own = replace(indices, clips=np.arange(len(indices.clips)))  # the batch's numbers of its clips
        for field in self.fields:
            if self.sources.is_live(field):
                loaded.batch.data.update(field.load(sources, replace(loaded.sample, indices=own)))
        return loaded.batch

    def _load(self, indices: SampleIndices, number: int | None) -> Loaded:
        sample = ClipSample(indices, number, self.sampling.window, self.generator, self.part)
        names = [self.sources.store.clips[i].name for i in indices.clips]
        batch = Batch(names, labels_of(self.sources, indices), window=self.sampling.window)
        cached = [field for field in self.fields if not self.sources.is_live(field)]
        for field in cached:
            batch.data.update(field.load(self.sources, sample))
        if len(cached) == len(self.fields):
            return Loaded(batch, sample)
        clips = BatchClips(self.sources.store, indices.clips, self.sources.sample_rate)
        if number is not None:  # else they may be too many to be read at once
            clips.fetch(self.sources.live)
        return Loaded(batch, sample, clips)


class _Guarded(Dataset[Loaded | S2vkitError]):
    """A dataset whose errors are items: torch would wrap one that a worker raises in its traceback."""

    def __init__(self, dataset: BatchDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, number: int) -> Loaded | S2vkitError:
        try:
            return self.dataset[number]
        except S2vkitError as error:
            return error


class BatchLoader:
    """Returns batches by number, on the device; those asked for in order come ahead of time.

    With `workers`, that many processes load them, from the first number asked for on; pinned
    memory lets a GPU copy while it computes.
    """

    def __init__(
        self, dataset: BatchDataset, *, device: torch.device, workers: int = 0, total: int = 0
    ) -> None:
        self.dataset, self.device, self.workers, self.total = dataset, device, workers, total
        self._ahead: Iterator[Loaded | S2vkitError] | None = None
        self._next = -1

    def __call__(self, number: int) -> Batch:
        """Return the batch of a number."""
        if self.workers and self._ahead is None and number < self.total:
            self._ahead, self._next = iter(self._loader(number)), number
        if self._ahead is None or number != self._next:
            return self._put(self.dataset[number])
        self._next += 1
        loaded = _next(self._ahead)
        if self._next == self.total:
            self.close()
        return self._put(loaded)

    def held_out(self, max_clips: int, runs: int = 0) -> Batch | None:
        """Return one batch of clips of the split val, for `Stage.validate`."""
        return self._spread("val", max_clips, runs)

    def training_clips(self, max_clips: int, runs: int = 0, consecutive: bool = False) -> Batch | None:
        """Return one batch of training clips, for `Stage.finish`."""
        return self._spread("train", max_clips, runs, consecutive)

    def close(self) -> None:
        """End the worker processes, if there are any."""
        self._ahead = None

    def _spread(self, split: str, max_clips: int, runs: int = 0, consecutive: bool = False) -> Batch | None:
        loaded = self.dataset.spread(split, max_clips, runs, consecutive)
        return None if loaded is None else self._put(loaded)

    def _put(self, loaded: Loaded) -> Batch:
        return self.dataset.complete(loaded).to(self.device, non_blocking=True)

    def _loader(self, start: int) -> DataLoader[Loaded | S2vkitError]:
        return DataLoader(
            _Guarded(self.dataset),
            batch_size=None,  # an item is a whole batch already
            sampler=range(start, self.total),
            num_workers=self.workers,
            pin_memory=self.device.type == "cuda",
            prefetch_factor=PREFETCH,
            worker_init_fn=_start_worker,
            multiprocessing_context="spawn",  # a fork of a threaded torch can hang
        )


def _next(ahead: Iterator[Loaded | S2vkitError]) -> Loaded:
    """Take the next batch that a worker loaded. Raises what it raised, ResourceError if it died."""
    try:
        item = next(ahead)
    except RuntimeError as error:
        if "exited unexpectedly" not in str(error):
            raise
        raise ResourceError(
            "a process that loads batches was killed, for want of memory or of shared memory (/dev/shm)",
            hint="set compute.loader_workers to 0 or less than now; in a container raise --shm-size",
        ) from error
    if isinstance(item, S2vkitError):
        raise item
    return item


def default_workers(wish: int | None, device: torch.device) -> int:
    """Return how many processes load batches: as wished, else some for a GPU and none for a CPU."""
    if wish is not None:
        return wish
    return 4 if device.type == "cuda" else 0


def labels_of(sources: Sources, indices: SampleIndices) -> dict[str, Tensor]:
    """Return the labels of clips as classes (B,), -1 where unknown, and known truth of frames (B, V)."""
    store = sources.store
    found = {name: torch.from_numpy(table[indices.clips]) for name, table in sources.label_tables.items()}
    first = np.array([store.clips[i].frame for i in indices.clips])[:, None]
    for name, values in store.truths.items():
        if values.ndim == 1 and np.issubdtype(values.dtype, np.number):
            found[name] = torch.from_numpy(values[first + indices.frames].astype(np.float32))
    return found


def _start_worker(number: int) -> None:
    set_up_worker()
