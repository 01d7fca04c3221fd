"""Splits belong to runs: two seeds over one prepared corpus never share one, nor leak into each other."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from helpers_footage import folder_of_videos
from helpers_toy import REGISTRY, Toy, load_toy, run_toy
from rich.console import Console
from s2vkit_stages.classify import Classify
from test_prepare import small

from s2vkit.build import Builder
from s2vkit.data.corpus import FootageCorpus
from s2vkit.data.shards.shard_store import ShardStore
from s2vkit.engine.log import read_log
from s2vkit.engine.trainer import Trainer
from s2vkit.engine.view import View
from s2vkit.files import read_json
from s2vkit.study.make import pick
from s2vkit.study.systems import open_systems

pytestmark = pytest.mark.usefixtures("no_curves")
STAGES = ["train_teachers"]
SHARES = ("data.val=0.2", "data.test=0.3")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return folder_of_videos(tmp_path_factory.mktemp("videos"), speakers=2, each=6)


class Home:
    """Runs over one prepared corpus and one cache, and the clips that each trained on."""

    def __init__(self, root, folder, monkeypatch):
        self.folder, self.more = folder, small(root, folder)
        self.trained: dict[int, set[str]] = {}
        loss = Classify.loss

        def watched(stage, batch, shared):
            self.trained[self.seed] |= set(batch.names)
            return loss(stage, batch, shared)

        monkeypatch.setattr(Classify, "loss", watched)

    def run(self, seed, *sets, stages=STAGES):
        self.seed = seed
        self.trained[seed] = set()
        output = f"output={self.folder}/run{seed}"
        steps = "stages.train_teachers.steps=12"
        run_toy(self.folder, f"seed={seed}", output, steps, *sets, more=self.more, stages=stages, quiet=True)

    def split(self, seed):
        return read_json(self.folder / f"run{seed}" / "split.json")

    def held_out(self, seed):
        return {name for name, split in self.split(seed).items() if split != "train"}


@pytest.fixture
def home(root, tmp_path, monkeypatch):
    return Home(root, tmp_path, monkeypatch)


def test_two_seeds_one_after_another_never_share_a_split(home):
    home.run(1)
    home.run(2)
    home.run(3, "data.root=null")
    assert home.split(1) != home.split(2) != home.split(3)
    for seed in (1, 2, 3):
        assert home.trained[seed]
        assert not home.trained[seed] & home.held_out(seed)
        corpus = Builder(load_toy(home.folder, f"seed={seed}", more=home.more).recipe, REGISTRY)
        dataset = corpus.dataset()
        assert isinstance(dataset, FootageCorpus)
        assert {clip.name: clip.split for clip in dataset.clips()} == home.split(seed)
    before = home.split(1)
    home.run(1)  # it is done, and stays as it was
    assert home.trained[1] == set()
    assert home.split(1) == before


def test_two_seeds_side_by_side_never_share_a_split(home, monkeypatch):
    """The second seed runs from start to end while the first is about to train."""
    run = Trainer.run

    def meanwhile(trainer, *args, **how):
        monkeypatch.setattr(Trainer, "run", run)
        home.run(2)
        home.seed = 1
        return run(trainer, *args, **how)

    monkeypatch.setattr(Trainer, "run", meanwhile)
    home.run(1)
    assert home.split(1) != home.split(2)
    for seed in (1, 2):
        assert home.trained[seed]
        assert not home.trained[seed] & home.held_out(seed)


def test_frozen_features_are_shared_and_segments_are_not(home):
    for seed in (1, 2):
        home.run(seed, "stages.distill.segments=1", stages=["distill"])
    entries = [path.name for path in (home.folder / "cache").glob("speech-*")]
    assert len(entries) == 3  # features of every clip once; segments of each run's training clips
    assert len(list((home.folder / "cache").glob("corpus-*"))) == 1


def test_a_study_of_two_seeds_holds_out_what_both_held_out(home):
    for seed in (1, 2):
        home.run(seed, stages=())
    view = View(Console(file=io.StringIO()))
    systems = open_systems([home.folder / f"run{seed}" for seed in (1, 2)], "cpu", view, REGISTRY)
    for system, seed in zip(systems, (1, 2), strict=True):
        assert set(system.held_out) == {n for n, s in home.split(seed).items() if s == "test"}
        assert not set(system.held_out) & home.trained[seed]
    common = set(systems[0].held_out) & set(systems[1].held_out)
    if common:
        assert set(pick(systems, 9, seed=0)) <= common


def test_what_the_test_clips_hold_changes_nothing_that_a_run_trains_or_chooses(tmp_path, monkeypatch):
    """Else settings, steps or weights would be chosen by the clips that the figures are of."""
    load = Toy.load

    def other(dataset, index):
        clip = load(dataset, index)
        if dataset.clips()[index].split == "test":
            clip.frames[:] = 255 - clip.frames
            clip.speech[:] = clip.speech[::-1]
        return clip

    weights, logs = [], []
    for name in ("as_it_is", "altered"):
        folder = tmp_path / name
        sets = ("data.sentences=3", "stages.compose.steps=2", "stages.compose.validate_every=1")
        run_toy(folder, *sets, stages=["compose"], quiet=True)
        stages = folder / "run" / "stages"
        weights.append({p.relative_to(folder): p.read_bytes() for p in stages.rglob("*.safetensors")})
        lines = [line for path in sorted(stages.rglob("log.jsonl")) for line in read_log(path)]
        logs.append([{key: value for key, value in line.items() if "seconds" not in key} for line in lines])
        monkeypatch.setattr(Toy, "load", other)
    assert len(weights[0]) >= 4
    assert any("validate" in key or "auc" in key.lower() for line in logs[0] for key in line)
    assert weights[0] == weights[1]
    assert logs[0] == logs[1]


def test_by_time_holds_out_the_end_of_each_clip(home):
    """Train, val and test are stretches of every clip, in this order, of its frames and its sound."""
    home.run(1)
    whole = ShardStore(home.folder / "out")
    builder = Builder(load_toy(home.folder, "data.split=by_time", *SHARES, more=home.more).recipe, REGISTRY)
    corpus = builder.dataset()
    assert corpus.index.content != whole.index.content
    stores = [ShardStore(corpus.folder, corpus.index), corpus.open(home.folder / "open", lambda *_: None)]
    assert stores[0].index.clips == stores[1].index.clips
    for store in stores:
        for at, clip in enumerate(whole.clips):
            parts = range(3 * at, 3 * at + 3)
            names = [f"{clip.name}_{split}" for split in ("train", "val", "test")]
            assert [store.clips[part].name for part in parts] == names
            assert [store.clips[part].frames for part in parts] == [15, 6, 9]
            frames = np.concatenate([store.frames(part) for part in parts])
            speech = np.concatenate([store.speech(part) for part in parts])
            np.testing.assert_array_equal(frames, whole.frames(at))
            np.testing.assert_array_equal(speech, whole.speech(at))
            assert store.clips[parts[1]].samples == 6 * 16000 // 25
    assert {clip.name for clip in whole.clips} == {name.rsplit("_", 1)[0] for name in split_of(corpus)}


def test_by_time_is_known_before_anything_is_cut(root, tmp_path):
    sets = ("data.split=by_time", *SHARES)
    builder = Builder(load_toy(tmp_path, *sets, more=small(root, tmp_path)).recipe, REGISTRY)
    assert Counter(split_of(builder.dataset()).values()) == {"train": 12, "val": 12, "test": 12}


def split_of(corpus):
    return {clip.name: clip.split for clip in corpus.clips()}
