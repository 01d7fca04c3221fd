"""Batches in order of their numbers: sampled, loaded field by field, and brought to the device.

A batch is a pure function of seed, stage and number, so that a resumed run sees the batches of
an unbroken one, whatever worker processes loaded them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from s2vkit.data.sampling import BatchSampler
from s2vkit.data.workers import end_with_parent
from s2vkit.engine.sources import Sources
from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.data_parallel import WHOLE, Part
from s2vkit.interfaces.fields import ClipSample, SampleIndices, sampling_of
from s2vkit.interfaces.seed import generator
from s2vkit.interfaces.stage import Stage

PREFETCH = 4  # batches that each worker loads ahead


class BatchDataset(Dataset[Batch]):
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

    def __getitem__(self, number: int) -> Batch:
        """Load the batch of a number, or this process's part of it."""
        return self._load(self.sampler.sample(number).of(self.part), number)

    def spread(self, split: str, max_clips: int) -> Batch | None:
        """Load one batch of at most `max_clips` clips of a split, always the same; None: it is empty.

        Whole clips are encoded, all cached frames averaged, frames spread over each clip.
        """
        store, per_clip = self.sources.store, self.sampling.frames
        found = [i for i, clip in enumerate(store.clips) if clip.split == split]
        if not found:
            return None
        count = min(max_clips, len(found))
        clips = np.array([found[i * len(found) // count] for i in range(count)])
        lengths = np.array([store.clips[i].frames for i in clips])[:, None]
        frames = (lengths * (np.arange(per_clip) + 0.5) / per_clip).astype(int)
        others = (frames + self.sampling.gap) % lengths
        return self._load(SampleIndices(clips, frames, others), None)

    def _load(self, indices: SampleIndices, number: int | None) -> Batch:
        sample = ClipSample(indices, number, self.sampling.window, self.generator, self.part)
        names = [self.sources.store.clips[i].name for i in indices.clips]
        batch = Batch(names, labels_of(self.sources, indices), window=self.sampling.window)
        for field in self.fields:
            batch.data.update(field.load(self.sources, sample))
        return batch


class BatchLoader:
    """Gives batches by number, on the device; those asked for in order come ahead of time.

    With `workers`, that many processes load them, from the first number asked for on; pinned
    memory lets a GPU copy while it computes.
    """

    def __init__(
        self, dataset: BatchDataset, *, device: torch.device, workers: int = 0, total: int = 0
    ) -> None:
        self.dataset, self.device, self.workers, self.total = dataset, device, workers, total
        self._ahead: Iterator[Batch] | None = None
        self._next = -1

    def __call__(self, number: int) -> Batch:
        """Give the batch of a number."""
        if self.workers and self._ahead is None and number < self.total:
            self._ahead, self._next = iter(self._loader(number)), number
        if self._ahead is None or number != self._next:
            return self._put(self.dataset[number])
        self._next += 1
        batch = next(self._ahead)
        if self._next == self.total:
            self.close()
        return self._put(batch)

    def held_out(self, max_clips: int) -> Batch | None:
        """Give one batch of clips of the split val, for `Stage.validate`."""
        return self._spread("val", max_clips)

    def training_clips(self, max_clips: int) -> Batch | None:
        """Give one batch of training clips, for `Stage.finish`."""
        return self._spread("train", max_clips)

    def close(self) -> None:
        """End the worker processes, if there are any."""
        self._ahead = None

    def _spread(self, split: str, max_clips: int) -> Batch | None:
        batch = self.dataset.spread(split, max_clips)
        return None if batch is None else self._put(batch)

    def _put(self, batch: Batch) -> Batch:
        return batch.to(self.device, non_blocking=True)

    def _loader(self, start: int) -> DataLoader[Batch]:
        return DataLoader(
            self.dataset,
            batch_size=None,  # an item is a whole batch already
            sampler=range(start, self.total),
            num_workers=self.workers,
            pin_memory=self.device.type == "cuda",
            prefetch_factor=PREFETCH,
            worker_init_fn=_start_worker,
            multiprocessing_context="spawn",  # a fork of a threaded torch can hang
        )


def default_workers(wish: int | None, device: torch.device) -> int:
    """Say how many processes load batches: as wished, else some for a GPU and none for a CPU."""
    if wish is not None:
        return wish
    return 4 if device.type == "cuda" else 0


def labels_of(sources: Sources, indices: SampleIndices) -> dict[str, Tensor]:
    """Give the labels of clips as classes (B,), -1 where unknown, and known truth of frames (B, V)."""
    store = sources.store
    found = {name: torch.from_numpy(table[indices.clips]) for name, table in sources.label_tables.items()}
    first = np.array([store.clips[i].frame for i in indices.clips])[:, None]
    for name, values in store.truths.items():
        if np.issubdtype(values.dtype, np.number):
            found[name] = torch.from_numpy(values[first + indices.frames].astype(np.float32))
    return found


def _start_worker(number: int) -> None:
    torch.set_num_threads(1)
    end_with_parent()
