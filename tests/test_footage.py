"""Preparing footage: whole, killed, shared by processes and ranks, and mostly unusable."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import pytest
from helpers_footage import cut_all, dataset_of, folder_of_videos, listing_of, write_video

from s2vkit.data.extraction.kinds import Cutting
from s2vkit.data.preparation import listing as listing_module
from s2vkit.data.preparation import pool as pool_module
from s2vkit.data.preparation.cut_one import Cutter
from s2vkit.data.preparation.finish import about, is_finished
from s2vkit.data.preparation.listing import cutting_of
from s2vkit.data.preparation.outcome import read_report, summary
from s2vkit.data.preparation.part import Part
from s2vkit.data.preparation.pool import Pool, Task
from s2vkit.data.preparation.ranks import Rank, find_rank
from s2vkit.data.shards.shard_store import ShardStore
from s2vkit.errors import InputError, PluginError
from s2vkit.footage_options import FootageOptions

HELPER = Path(__file__).parent / "helpers_footage.py"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return folder_of_videos(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    """Prepare it in one go, in parts of 4."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing_module, "PART", 4)
        assert cut_all(listing_of(folder(root, out)), out)
    return out


def folder(root, out, **more):
    return dataset_of("folder", root, out, **{"folders": ["identity"], **more})


def files(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def start(root: Path, out: Path, rank: str = "0/1") -> subprocess.Popen:
    words = [sys.executable, str(HELPER), str(root), str(out), rank]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def end(process: subprocess.Popen) -> list[str]:
    said = process.communicate(timeout=120)[0].split()
    assert process.returncode == 0
    return said


# What comes out


def test_a_prepared_corpus_is_whole(whole, root):
    store = ShardStore(whole)
    assert [c.name for c in store.clips] == [f"ann{s}_{n}" for s in (0, 1) for n in (0, 1, 2)]
    assert store.index.labels == {"identity": ("ann0", "ann1")}
    assert {c.labels["identity"] for c in store.clips} == {"ann0", "ann1"}
    assert sorted(p.name for p in whole.iterdir()) == [
        "clips_at.npy",
        "corpus.json",
        "frames_at.npy",
        "index.json",
        "report.csv",
        "shards",
        "sources.json",
    ]
    assert about(whole)["clips"] == 6


def test_the_report_tells_of_every_file(whole):
    rows = read_report(whole)
    assert list(rows[0])[:7] == ["file", "status", "reason", "seconds", "fps", "speaker", "clips"]
    assert [row["file"] for row in rows] == [f"ann{s}/{n}.mp4" for s in (0, 1) for n in (0, 1, 2)]
    assert {(r["status"], r["reason"], r["seconds"], r["fps"], r["clips"]) for r in rows} == {
        ("prepared", "", "1.2", "25", "1")
    }
    assert [row["speaker"] for row in rows] == ["ann0"] * 3 + ["ann1"] * 3


def test_the_clips_are_those_that_were_cut(whole, root):
    from s2vkit.data.preparation.cut import cut_source

    listing = listing_of(folder(root, whole))
    store = ShardStore(whole)
    (clip,) = cut_source(listing.sources[4], listing.cutting, listing.make_detector()).clips
    close = np.abs(store.frames(4).astype(int) - clip.frames.astype(int))
    assert close.mean() < 1.5
    assert close.max() < 24
    np.testing.assert_allclose(store.speech(4), clip.speech, atol=1 / 32768)


def test_options_of_a_dataset_are_those_of_cutting():
    names = set(FootageOptions.model_fields)
    said = cutting_of(FootageOptions(corpus="x"))
    assert said == Cutting()
    assert {"size", "fps", "sample_rate", "margin", "every", "min_face", "shortest"} <= names


def test_bad_files_are_set_aside_with_their_reason(tmp_path):
    root = tmp_path / "in"
    write_video(root / "good.mp4")
    write_video(root / "mute.mp4", sound=False, seed=1)
    write_video(root / "short.mp4", 0.4, seed=2)
    (root / "copy.mp4").write_bytes((root / "good.mp4").read_bytes())
    (root / "broken.mp4").write_bytes((root / "good.mp4").read_bytes()[:700])
    (root / "empty.mp4").touch()
    (root / "notes.txt").write_text("hello")
    out = tmp_path / "out"
    assert cut_all(listing_of(folder(root, out, val=0.0, test=0.0)), out, max_rejected=0.9)
    reasons = {row["file"]: row["reason"] for row in read_report(out)}
    assert reasons == {
        "broken.mp4": "undecodable",
        "copy.mp4": "",
        "empty.mp4": "undecodable",
        "good.mp4": "duplicate",
        "mute.mp4": "no_sound_track",
        "short.mp4": "too_short",
    }
    lengths = {row["file"]: (row["seconds"], row["fps"]) for row in read_report(out)}
    assert lengths["short.mp4"] == ("0.4", "25")
    assert lengths["mute.mp4"] == ("1.2", "25")
    assert lengths["broken.mp4"] == ("", "")
    assert [clip.name for clip in ShardStore(out).clips] == ["copy"]
    assert next(iter(summary(read_report(out))))[0] == "prepared"
    with tarfile.open(out / "shards" / "000000.tar") as tar:
        assert {name.split(".")[0] for name in tar.getnames()} == {"copy"}


def test_a_long_source_becomes_several_clips(tmp_path):
    write_video(tmp_path / "in" / "long.mp4", 3.4)
    out = tmp_path / "out"
    cut_all(listing_of(folder(tmp_path / "in", out, longest=1.2, val=0.0, test=0.0)), out)
    store = ShardStore(out)
    assert [clip.name for clip in store.clips] == ["long-000", "long-001", "long-002"]
    assert [clip.frames for clip in store.clips] == [30, 30, 25]
    assert read_report(out)[0]["clips"] == "3"


# Stopping


def test_a_killed_preparation_goes_on(tmp_path, root, whole):
    out = tmp_path / "out"
    process = start(root, out)
    while not list(out.glob("parts/[0-9]*/[0-9]*.json")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    before = process.communicate()[0].split()
    assert process.returncode == -signal.SIGKILL
    assert not is_finished(out)
    after = end(start(root, out))
    assert 0 < len(after) < 6
    assert len({*before, *after}) == 6 or len(before) + len(after) == 5  # one was cut, not told
    assert files(out) == files(whole)


@pytest.mark.parametrize("count", [1, 4, 7, 10, 12, 14, 16])
def test_a_kill_at_any_file_operation_is_mended(tmp_path, root, whole, monkeypatch, count):
    """The n-th renaming fails, before it or after it in turn, as a kill would leave things."""
    monkeypatch.setattr(listing_module, "PART", 4)
    out, left = tmp_path / "out", {"n": count}
    rename = Path.replace

    def dying(self, target):
        left["n"] -= 1
        if left["n"] == 0 and count % 2:
            raise KeyboardInterrupt
        done = rename(self, target)
        if left["n"] == 0:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            cut_all(listing_of(folder(root, out)), out)
    assert cut_all(listing_of(folder(root, out)), out)
    assert files(out) == files(whole)


def test_dropping_duplicates_survives_a_kill(tmp_path, monkeypatch):
    root, out = tmp_path / "in", tmp_path / "out"
    for name in "ab":
        write_video(root / f"{name}.mp4")
    write_video(root / "c.mp4", seed=5)
    listing = listing_of(folder(root, out, val=0.0, test=0.0))
    rename, seen = Path.replace, []

    def dying(self, target):
        if Path(target).name == "000000.tar" and self.name.endswith(".next.tar"):
            seen.append(self)
            if len(seen) == 1:
                raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        cut_all(listing, out)
    assert cut_all(listing, out)
    store = ShardStore(out)
    assert [clip.name for clip in store.clips] == ["a", "c"]
    assert store.frames(1).shape == (30, 32, 32, 3)


def test_another_preparation_in_the_folder_is_refused(tmp_path, root):
    out = tmp_path / "out"
    listing_of(folder(root, out)).claim(out)
    with pytest.raises(InputError, match="begun with other settings"):
        cut_all(listing_of(folder(root, out, size=48)), out)


# Sharing


def test_two_processes_never_cut_a_clip_twice(tmp_path, root, whole):
    out = tmp_path / "out"
    both = [start(root, out) for _ in range(2)]
    cut = [name for process in both for name in end(process)]
    assert sorted(cut) == sorted(c.name for c in ShardStore(whole).clips)
    assert files(out) == files(whole)


def test_ranks_share_the_parts(tmp_path, root, whole, monkeypatch):
    monkeypatch.setattr(listing_module, "PART", 4)
    out = tmp_path / "out"
    assert not cut_all(listing_of(folder(root, out)), out, rank=Rank(1, 2))
    assert Part(out, 1).done
    assert not Part(out, 0).done
    assert cut_all(listing_of(folder(root, out)), out, rank=Rank(0, 2))
    assert files(out) == files(whole)


def test_ranks_are_read_from_torchruns_and_slurms_variables():
    assert find_rank("2/5") == Rank(2, 5)
    assert find_rank(None, {}) == Rank(0, 1)
    assert find_rank(None, {"RANK": "3", "WORLD_SIZE": "4"}) == Rank(3, 4)
    slurm = {"SLURM_PROCID": "1", "SLURM_NTASKS": "8"}
    assert find_rank(None, slurm) == Rank(1, 8)
    assert find_rank("0/1", slurm) == Rank(0, 1)
    for wrong in ("4/4", "-1/2", "one", "1", "0/0"):
        with pytest.raises(InputError, match="--rank K/N"):
            find_rank(wrong)


class Deadly(Cutter):
    """Dies, as a decoder may, of one source."""

    def cut(self, source, out):
        if source.name == "ann0_1":
            os._exit(3)
        return super().cut(source, out)


def test_a_worker_that_dies_takes_only_its_source_with_it(tmp_path, root):
    listing = listing_of(folder(root, tmp_path / "out"))
    cutter = Deadly(listing.make_detector, listing.cutting, 95)
    told = {}
    with Pool(cutter, 2) as pool:
        for i, source in enumerate(listing.sources[:4]):
            pool.add(Task(0, source, tmp_path / f"{i}"))
        while pool.waiting:
            told |= {task.source.name: result for task, result in pool.finished()}
    assert {name: result["status"] for name, result in told.items()} == {
        "ann0_0": "prepared",
        "ann0_1": "rejected",
        "ann0_2": "prepared",
        "ann1_0": "prepared",
    }
    assert told["ann0_1"]["reason"] == "undecodable"
    assert json.loads((tmp_path / "1.json").read_text())["detail"].endswith("died of it")


class Hanging(Cutter):
    """Makes no progress, as with a decoder that loops."""

    def cut(self, source, out):
        while True:
            time.sleep(1)


def test_a_worker_that_stands_still_is_ended(tmp_path, root, monkeypatch):
    monkeypatch.setattr(pool_module, "STANDSTILL", 0.3)
    listing = listing_of(folder(root, tmp_path / "out"))
    task = Task(0, listing.sources[0], tmp_path / "0")
    result = Pool(Hanging(listing.make_detector, listing.cutting, 95), 2)._cut_alone(task)
    assert result["detail"] == "the process that decoded it stood still or died of it"
    assert not (tmp_path / "0.begun").exists()


def test_what_stops_a_preparation_ends_its_workers(tmp_path, root):
    listing = listing_of(folder(root, tmp_path / "out"))
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        Pool(Hanging(listing.make_detector, listing.cutting, 95), 2) as pool,
    ):
        pool.add(Task(0, listing.sources[0], tmp_path / "0"))
        assert list(pool.finished()) == []  # it looks up though nothing is done
        workers = list(pool._executor._processes.values())
        raise KeyboardInterrupt
    for worker in workers:  # is_alive() may say yes while the executor's own thread reaps it
        assert wait([worker.sentinel], 30)


# Too many failures


def test_too_many_failures_stop_it(tmp_path):
    root, out = tmp_path / "in", tmp_path / "out"
    write_video(root / "good.mp4")
    for n in range(3):
        write_video(root / f"mute{n}.mp4", sound=False, seed=n)
    listing = listing_of(folder(root, out, val=0.0, test=0.0))
    with pytest.raises(InputError, match=r"3 of 4 files were rejected, more than 50%") as error:
        cut_all(listing, out)
    assert "--max-rejected" in str(error.value)
    assert "no_sound_track" in str(error.value)
    with (out / "report.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4
    assert not is_finished(out)
    assert cut_all(listing, out, max_rejected=0.8)
    assert [clip.name for clip in ShardStore(out).clips] == ["good"]


def test_a_dataset_that_breaks_its_word_is_told_so(tmp_path, root):
    from dataclasses import replace

    dataset = folder(root, tmp_path / "out")
    good = dataset.sources()
    for changes, said in [
        ({"name": "x"}, "6 sources are named 'x'"),
        ({"name": "x.y"}, "'x.y' is no name"),
        ({"split": "dev"}, "split 'dev'"),
    ]:
        chosen = good if said.startswith("6") else good[:1]
        with pytest.raises(PluginError, match=said):
            listing_of(dataset, sources=[replace(s, **changes) for s in chosen]).check()
    with pytest.raises(InputError, match="no video"):
        listing_of(dataset, sources=[]).check()
