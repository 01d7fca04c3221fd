"""Batches that worker processes load: what travels to them, what comes back, and their errors."""

from __future__ import annotations

import pickle
import threading
from argparse import Namespace
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers_batches import loader_of
from helpers_toy import REGISTRY, ROOT, Toy, ToyOptions, load_toy
from rich.console import Console

from s2vkit import FrozenFeatures, Stage, StageOptions, Summary
from s2vkit.data.arrays import Arrays, new_array
from s2vkit.data.preparation.prepare import prepare
from s2vkit.data.store import ClipStore
from s2vkit.engine.loading import BatchDataset, _Guarded, _next
from s2vkit.engine.run import Run
from s2vkit.engine.sources import Sources
from s2vkit.errors import InputError, ResourceError
from s2vkit.interfaces.fields import Frames, Speech


class Sees(Stage):
    """A stage that reads clips and what was computed of them."""

    fields = (Frames(2), Speech(), Summary())
    options = StageOptions(steps=4, batch=3)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loading")
    prepare(Toy(ToyOptions(), seed=3), folder / "corpus", workers=0, progress=lambda *at: None)
    store = ClipStore(folder / "corpus")
    (folder / "speech").mkdir()
    summary = new_array(folder / "speech" / "summary.npy", (len(store.clips), 5))
    summary[:] = np.arange(summary.size).reshape(summary.shape)
    return Sources(store, 16000, {FrozenFeatures("speech"): Arrays(folder / "speech")})


def same(one, other) -> bool:
    pairs = zip(one.tensors(), other.tensors(), strict=True)
    return one.names == other.names and all(torch.equal(a, b) for a, b in pairs)


def test_what_travels_to_a_worker_holds_no_clips_and_gives_the_same_batches(sources):
    dataset = BatchDataset(sources, Sees(), "sees", seed=1)
    dataset[0]  # the sampler has an epoch's order by now
    sent = pickle.dumps(dataset)
    assert len(sent) < 20_000 < sources.store.frames(0).nbytes * len(sources.store.clips)
    assert same(pickle.loads(sent)[2].batch, dataset[2].batch)


def test_a_worker_knows_the_split_of_the_run(sources):
    clips = [replace(clip, split="test") for clip in sources.store.clips]
    store = ClipStore(sources.store.folder, replace(sources.store.index, clips=clips))
    assert len(pickle.loads(pickle.dumps(store)).split("test")) == len(clips)


def test_workers_load_the_batches_that_one_process_loads(sources):
    alone = loader_of(sources, Sees(), "sees")
    with closing(loader_of(sources, Sees(), "sees", workers=1, total=4)) as batches:
        assert all(same(batches(number), alone(number)) for number in range(1, 4))  # as after a resume
        assert same(batches(1), alone(1))  # once more, when the workers have ended


def test_pictures_travel_as_bytes_and_are_numbers_on_the_device(sources):
    loaded = BatchDataset(sources, Sees(), "sees", seed=1)[0].batch
    assert (loaded["frames"].dtype, loaded["speech"].dtype) == (torch.uint8, torch.float32)
    there = loaded.to(torch.device("cpu"))
    assert there["frames"].dtype is torch.float32
    assert there["frames"].shape == (*loaded["frames"].shape[:2], 3, *loaded["frames"].shape[2:4])
    torch.testing.assert_close(there["frames"], loaded["frames"].movedim(-1, -3) / 127.5 - 1)
    assert there.to(torch.device("cpu"))["frames"].equal(there["frames"])


def test_an_error_of_a_worker_is_one_plain_message():
    with pytest.raises(InputError, match="a damaged clip") as caught:
        _next(iter([InputError("a damaged clip", hint="mend it")]))
    assert caught.value.hint == "mend it"


def test_a_worker_that_was_killed_is_named_with_what_to_do():
    def killed():
        raise RuntimeError("DataLoader worker (pid(s) 12) exited unexpectedly")
        yield

    with pytest.raises(ResourceError, match="process that loads batches was killed") as caught:
        _next(killed())
    assert "compute.loader_workers" in caught.value.hint


def test_what_fails_in_a_worker_arrives_as_an_item(sources, monkeypatch):
    def damaged(self, clip, at=None):
        raise InputError("a damaged clip")

    monkeypatch.setattr(ClipStore, "frames", damaged)
    item = _Guarded(BatchDataset(sources, Sees(), "sees", seed=1))[0]
    assert isinstance(item, InputError)


# The benchmark of the input path


def test_the_benchmark_measures_a_stage_on_true_and_made_up_batches(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import input_path

    loaded = load_toy(tmp_path)
    run = Run(loaded, tmp_path / "run", Console(quiet=True), threading.Event(), REGISTRY)
    with closing(run.cache):
        run.store = run.cache.open()
        bench = input_path.Bench(run, "compose", steps=1)
        how = Namespace(workers=[0], rounds=1, gpu_step=0.0)
        monkeypatch.setattr(input_path, "GPU_STEPS", 2)
        made_up, loaded_here = input_path.measure(bench, how)
    assert (made_up[:2], loaded_here[:2]) == (("compose", "made up"), ("compose", "0 workers"))
    assert (made_up[4], loaded_here[4][-1], loaded_here[5][-3:]) == ("", "%", " ms")
    assert bench.images == 4
