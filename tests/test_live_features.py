"""Frozen features computed live give the batches that cached ones give, and nothing is written for them."""

from __future__ import annotations

import io
import pickle
import threading
from contextlib import closing

import numpy as np
import pytest
import torch
from helpers_toy import REGISTRY, load_toy
from rich.console import Console

from s2vkit import FrozenFeatures
from s2vkit.data.array_writers import FolderWriter
from s2vkit.data.arrays import Arrays, new_array
from s2vkit.data.batch_clips import BatchClips
from s2vkit.data.shares import merge_shares, share_of
from s2vkit.engine.loading import BatchDataset, BatchLoader
from s2vkit.engine.run import Run
from s2vkit.engine.trainer import Trainer
from s2vkit.interfaces.data_parallel import Part

SEGMENTS, VARIANTS = "stages.distill.segments=2", "stages.compose.variants=2"


class Opened:
    """The stages of the small recipe over its corpus, fed from a cache or live."""

    def __init__(self, folder, *sets):
        loaded = load_toy(folder, SEGMENTS, VARIANTS, *sets)
        self.run = Run(loaded, folder / "run", Console(quiet=True), threading.Event(), REGISTRY)
        self.run.store = self.run.cache.open()

    def sources(self, name):
        return self.run.cache.sources(self.run.stages[name], self.run.store)

    def loader(self, name, seed=1):
        dataset = BatchDataset(self.sources(name), self.run.stages[name], name, seed=seed)
        return BatchLoader(dataset, device=torch.device("cpu"))

    def losses(self, name, steps=2):
        trainer = Trainer(
            self.run.stages[name],
            name,
            self.run.graph,
            self.loader(name),
            policy=self.run.policy,
            seed=1,
            make_optimizer=self.run.builder.make,
        )
        return [{k: float(v) for k, v in trainer.step(number).items()} for number in range(steps)]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Open the same corpus twice: features cached, and live."""
    folder = tmp_path_factory.mktemp("live")
    cached = Opened(folder, "compute.frozen_features=cached")
    cached.sources("distill"), cached.sources("compose")
    live = Opened(folder, "compute.frozen_features=live")
    live.run.graph.encoder.load_state_dict(cached.run.graph.encoder.state_dict())
    with closing(cached.run.cache), closing(live.run.cache):
        yield cached, live


def kept(opened):
    return sorted(path.name for path in opened.run.cache.folder.glob("[sf]*-*"))


@pytest.mark.parametrize("name", ["distill", "compose"])
def test_live_batches_are_the_cached_ones(both, name):
    cached, live = (opened.loader(name) for opened in both)
    for number in (0, 3):
        one, other = cached(number), live(number)
        assert one.data.keys() == other.data.keys()
        for key in one.data:
            for a, b in zip(tensors(one, key), tensors(other, key), strict=True):
                torch.testing.assert_close(a, b, rtol=2e-3, atol=2e-3, msg=key)


@pytest.mark.parametrize("processes", [3, 50])
@pytest.mark.parametrize("name", ["distill", "compose"])
def test_features_that_processes_compute_each_of_its_clips_are_those_of_one(both, tmp_path, name, processes):
    run, networks = both[0].run, both[0].run.cache.networks
    clips = len(run.store.clips)
    for number, (features, whole) in enumerate(both[0].sources(name).arrays.items()):
        picks, shares = networks.picks(features, run.store), []
        for rank in range(processes):
            own = share_of(clips, Part(rank, processes))
            (folder := tmp_path / f"{number}-{rank}").mkdir()
            shares.append((own, folder))
            if len(own):
                some = BatchClips(run.store, own, run.graph.encoder.sample_rate)
                networks.encode(features, some, picks[own], FolderWriter(folder))
        assert sorted(clip for own, _ in shares for clip in own) == list(range(clips))
        (merged := tmp_path / f"{number}").mkdir()
        merge_shares(features, run.store, shares, merged)
        assert Arrays(merged).names() == whole.names()
        for array in whole.names():
            assert Arrays(merged)[array].dtype == whole[array].dtype
            np.testing.assert_allclose(Arrays(merged)[array], whole[array], rtol=2e-3, atol=2e-3)


def test_an_array_that_is_wide_in_one_share_is_wide(both, tmp_path):
    store, features = both[0].run.store, FrozenFeatures("maps", "identity")
    shares = [(share_of(len(store.clips), Part(rank, 2)), tmp_path / str(rank)) for rank in range(2)]
    for (own, folder), dtype in zip(shares, (np.float16, np.float32), strict=True):
        folder.mkdir()
        new_array(folder / "maps0.npy", (len(own), 2), dtype)[:] = 1e5 if dtype == np.float32 else 1
    merge_shares(features, store, shares, tmp_path)
    found = Arrays(tmp_path)["maps0"]
    assert found.dtype == np.float32
    assert found[:4, 0].tolist() == [1, 1e5, 1, 1e5]


def tensors(batch, key):
    value = batch.data[key]
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", ["distill", "compose"])
def test_live_steps_have_the_losses_of_cached_ones(both, name):
    before = kept(both[0])
    one, other = (opened.losses(name) for opened in both)
    assert len(one) == len(other) == 2
    for cached, live in zip(one, other, strict=True):
        assert cached.keys() == live.keys()
        for key in cached:
            if not key.startswith("gradient_norm"):
                assert live[key] == pytest.approx(cached[key], rel=0.02, abs=0.02), key
    assert kept(both[1]) == before


def test_held_out_clips_are_live_too(both):
    cached, live = (opened.loader("distill").held_out(3) for opened in both)
    torch.testing.assert_close(live["targets.emotion"], cached["targets.emotion"], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(live["summary"], cached["summary"], rtol=1e-3, atol=1e-3)


def test_a_worker_reads_what_the_main_process_computes_from(both):
    live = both[1]
    dataset = BatchDataset(live.sources("compose"), live.run.stages["compose"], "compose", seed=1)
    worker = pickle.loads(pickle.dumps(dataset))
    assert worker.sources.networks is None
    there = pickle.loads(pickle.dumps(worker[1]))  # as it travels back
    assert "features" not in there.batch.data
    made, alone = dataset.complete(there), live.loader("compose")(1)
    assert torch.equal(made["features"], alone["features"])
    assert torch.equal(made.identity_maps[0], alone.identity_maps[0])


def test_a_jobs_summaries_are_live_too(both):
    speech = FrozenFeatures("speech")
    cached, live = (o.sources("distill").values(speech, "summary", [5, 2]) for o in both)
    assert live == pytest.approx(cached, rel=1e-3, abs=1e-3)


def test_the_way_of_features_is_no_part_of_a_stages_identity(both):
    cached, live = ([step.identity for step in opened.run.plan.steps] for opened in both)
    assert cached == live


def test_auto_computes_live_what_the_limit_has_no_room_for(both, tmp_path):
    cached = both[0].run.cache
    sizes = cached.sizes(1000, 60_000)
    maps, speech = FrozenFeatures("maps", "identity"), FrozenFeatures("speech")
    shapes = both[0].run.graph.teachers["identity"].map_shapes
    assert sizes[maps] == 1000 * 2 * sum(c * h * w for c, h, w in shapes)
    assert list(sizes) == sorted(sizes, key=lambda one: (sizes[one], str(one)))
    room = (sum(sizes.values()) - 1) / 1e9
    text = io.StringIO()
    run = Run(
        load_toy(tmp_path, SEGMENTS, VARIANTS, f"compute.cache_gb={room}"),
        tmp_path / "run",
        Console(file=text, width=200),
        threading.Event(),
        REGISTRY,
    )
    assert run.cache.live(1000, 60_000) == {list(sizes)[-1]}
    assert run.cache.live(100, 6_000) == set()
    assert cached.live(10**9, 10**12) == set()
    assert both[1].run.cache.live(1, 1) == set(sizes)
    assert speech in sizes
    run.announce()
    assert "identity maps" in text.getvalue()
    assert "cached, if it is not yet: about" in text.getvalue()


@pytest.mark.parametrize(("name", "other"), [("distill", "segments"), ("compose", "variants")])
def test_what_one_field_reads_together_is_live_together(both, name, other, monkeypatch):
    """Speech too large for the cache makes live what is read with it, though that would fit."""
    cached, live = both
    monkeypatch.setattr(live.run.cache, "live", lambda clips, frames: {FrozenFeatures("speech")})
    monkeypatch.setattr(live.run.cache, "_is_kept", lambda features, store: False)
    assert {one.what for one in live.sources(name).live} >= {"speech", other}
    for key in ("summary",) if name == "distill" else ("features", "summary"):
        found, wanted = live.loader(name)(1)[key], cached.loader(name)(1)[key]
        torch.testing.assert_close(found, wanted, rtol=2e-3, atol=2e-3)
