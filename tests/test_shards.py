"""Shards: read by others, read at random, drawn from, decoded into a cache."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import tarfile
from collections import Counter
from functools import partial

import numpy as np
import pytest
from helpers_footage import cut_all, dataset_of, folder_of_videos, listing_of, pictures
from PIL import Image

from s2vkit.data.corpus import FootageCorpus
from s2vkit.data.sampling import BatchSampler
from s2vkit.data.shards import shard_store
from s2vkit.data.shards.coding import from_flac, from_jpeg, to_flac, to_jpeg
from s2vkit.data.shards.shard_store import ShardStore
from s2vkit.data.shards.shards import join, pack
from s2vkit.data.store import ClipStore
from s2vkit.errors import InputError
from s2vkit.files import read_json, write_json
from s2vkit.interfaces.seed import generator


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return folder_of_videos(tmp_path_factory.mktemp("videos"), speakers=3, each=2)


@pytest.fixture(scope="module")
def out(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "out"
    dataset = dataset_of("folder", root, folder, folders=["identity"], val=0.0, test=0.0)
    cut_all(listing_of(dataset), folder)
    return folder


def corpus_of(root, out, seed=7, **more) -> FootageCorpus:
    said = {"folders": ["identity"], "val": 0.0, "test": 0.0, **more}
    dataset = dataset_of("folder", root, out, seed=seed, **said)
    slot, listing = dataset.options.face_detector, listing_of(dataset, sources=[])
    return FootageCorpus("folder", dataset.options, dataset, seed, slot, listing.make_detector)


# What lies in a shard


def test_jpeg_and_flac_keep_what_they_are_given():
    frame = pictures(1, 64, 3)[0]
    assert np.abs(from_jpeg(to_jpeg(frame, 95)).astype(int) - frame).mean() < 1.5
    speech = np.random.default_rng(0).uniform(-1, 1, 4001).astype(np.float32)
    heard = from_flac(to_flac(speech, 16000))
    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard, speech, atol=1.01 / 32768)
    for decode in (from_jpeg, from_flac):
        with pytest.raises(InputError, match="cannot be decoded"):
            decode(b"nothing")


def test_places_are_the_bytes_of_the_members(tmp_path):
    about = {"key": "b", "labels": {"identity": "bob"}}
    blobs = []
    for key, seed in (("a", 1), ("b", 2)):
        blob, placed = pack(key, pictures(3, 32, seed), np.zeros(800, np.float32), 16000, about, 95)
        path = tmp_path / key
        path.write_bytes(blob)
        blobs.append((path, [placed]))
    laid = join(blobs, tmp_path / "x.tar")
    data = (tmp_path / "x.tar").read_bytes()
    with tarfile.open(tmp_path / "x.tar") as tar:
        for clip in laid:
            for number, (at, size) in enumerate(clip.frames):
                member = tar.extractfile(f"{clip.key}.{number:06d}.jpg").read()
                assert data[at : at + size] == member
            at, size = clip.speech
            assert data[at : at + size] == tar.extractfile(f"{clip.key}.flac").read()
            assert data[clip.start : clip.end].startswith(f"{clip.key}.json".encode())


def test_a_shard_reads_as_webdataset_does(out):
    """Members of one key lie side by side; a key ends at its first dot."""
    with tarfile.open(out / "shards" / "000000.tar") as tar:
        members = [(m.name, tar.extractfile(m).read()) for m in tar]
    keys = [name.partition(".")[0] for name, _ in members]
    runs = [key for i, key in enumerate(keys) if i == 0 or keys[i - 1] != key]
    assert sorted(runs) == sorted({*keys}) == [f"ann{s}_{n}" for s in range(3) for n in range(2)]
    sample = {name.partition(".")[2]: data for name, data in members if name.startswith("ann1_0.")}
    assert [*sample][:3] == ["json", "flac", "000000.jpg"]
    about = json.loads(sample["json"])
    assert about["labels"] == {"identity": "ann1"}
    assert about["frames"] == len(sample) - 2 == 30
    assert Image.open(io.BytesIO(sample["000029.jpg"])).size == (32, 32)


def test_webdataset_itself_reads_it(out):
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    found = webdataset.WebDataset(str(out / "shards" / "000000.tar"), shardshuffle=False)
    assert sorted(sample["__key__"] for sample in found) == sorted(
        clip.name for clip in ShardStore(out).clips
    )


# Reading at random


def test_a_window_decodes_its_own_frames_only(out, monkeypatch):
    store, decoded = ShardStore(out), []
    decode = shard_store.from_jpeg
    monkeypatch.setattr(shard_store, "from_jpeg", lambda d: (decoded.append(len(d)), decode(d))[1])
    whole = store.frames(2)
    assert len(decoded) == 30
    decoded.clear()
    np.testing.assert_array_equal(store.frames(2, np.array([7, 3, 29])), whole[[7, 3, 29]])
    np.testing.assert_array_equal(store.frames(2, slice(10, 14)), whole[10:14])
    assert len(decoded) == 7


def test_few_shards_are_held_open(out, monkeypatch):
    monkeypatch.setattr(shard_store, "_OPEN", 1)
    shards = shard_store._Shards(out)
    (out / "shards" / "000001.tar").write_bytes(b"0123456789")
    try:
        assert shards.read(1, 2, 3) == b"234"
        assert shards.read(0, 0, 3) == b"ann"
        assert len(shards._open) == 1
        assert shards.read(1, 0, 1) == b"0"
    finally:
        (out / "shards" / "000001.tar").unlink()


def test_a_store_travels_to_other_processes(out):
    store = pickle.loads(pickle.dumps(ShardStore(out)))
    np.testing.assert_array_equal(store.frames(1, [4]), ShardStore(out).frames(1, [4]))


def test_speech_comes_at_the_rate_asked_for(out):
    store = ShardStore(out)
    assert len(store.speech(0)) == 19200
    assert len(store.speech(0, 8000)) == 9600


@pytest.mark.parametrize("file", ["index.json", "frames_at.npy", "clips_at.npy"])
def test_a_damaged_corpus_is_told(tmp_path, root, file):
    folder = tmp_path / "out"
    dataset = dataset_of("folder", root, folder, val=0.0, test=0.0)
    cut_all(listing_of(dataset), folder)
    path = folder / file
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=file):
        ShardStore(folder)


def test_a_damaged_shard_is_told(tmp_path, root):
    folder = tmp_path / "out"
    dataset = dataset_of("folder", root, folder, val=0.0, test=0.0)
    cut_all(listing_of(dataset), folder)
    shard = folder / "shards" / "000000.tar"
    shard.write_bytes(shard.read_bytes()[:2000])
    store = ShardStore(folder)
    with pytest.raises(InputError, match=r"000000\.tar: cannot be read"):
        store.frames(0)
    shard.unlink()
    with pytest.raises(InputError, match=r"000000\.tar: cannot be read"):
        ShardStore(folder).speech(0)


# As a dataset


def test_a_corpus_that_fits_is_decoded_once(root, out, tmp_path):
    corpus = corpus_of(root, out)
    done = []
    store = corpus.open(tmp_path / "cache", lambda *at: done.append(at))
    shards = ShardStore(out)
    assert type(store) is ClipStore
    assert done[-1] == (6, 6)
    for clip in range(6):
        np.testing.assert_array_equal(store.frames(clip), shards.frames(clip))
        np.testing.assert_array_equal(store.speech(clip), shards.speech(clip))
    assert [clip.name for clip in store.clips] == [clip.name for clip in shards.clips]
    assert {clip.split for clip in store.clips} == {"train"}
    corpus.open(tmp_path / "cache", lambda *at: pytest.fail("it is there already"))


def test_a_corpus_that_does_not_fit_is_read_from_its_shards(root, out, tmp_path):
    corpus = corpus_of(root, out, crop_cache_gb=0.0)
    store = corpus.open(tmp_path / "cache", lambda *at: pytest.fail("nothing is to be decoded"))
    assert type(store) is ShardStore
    assert not (tmp_path / "cache").exists()


def test_a_prepared_corpus_needs_its_root_no_more(root, out):
    corpus = corpus_of(None, out)
    assert corpus.ready
    assert len(corpus.clips()) == 6
    assert corpus.labels == {"identity": ("ann0", "ann1", "ann2")}
    raw = corpus.load(3)
    assert raw.frames.shape == (30, 32, 32, 3)


def test_other_settings_are_refused(root, out):
    with pytest.raises(InputError, match="size is 32, not 48"):
        corpus_of(root, out, size=48).clips()


def test_a_prepared_corpus_holds_no_split_and_each_run_makes_its_own(root, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    corpus = corpus_of(root, folder)
    assert corpus.prepare(workers=0, progress=lambda *at: None)
    kept = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert {clip["split"] for clip in read_json(folder / "index.json")["clips"]} == {""}
    monkeypatch.setattr("s2vkit.data.preparation.cut_one.cut_source", lambda *a: pytest.fail("cut again"))
    how = {"split": "by_speaker", "val": 0.34, "test": 0.34}
    other, third = corpus_of(root, folder, **how), corpus_of(root, folder, seed=8, **how)
    for one in (other, third):
        assert one.prepare(workers=0, progress=lambda *at: None)
        assert Counter(clip.split for clip in one.clips()) == {"train": 2, "val": 2, "test": 2}
    splits = [[clip.split for clip in one.clips()] for one in (corpus, other, third)]
    assert splits[0] == ["train"] * 6
    assert splits[1] != splits[2]
    assert len({one.identity for one in (corpus, other, third)}) == 3
    assert len({one.contents for one in (corpus, other, third)}) == 1
    rootless = corpus_of(None, folder, seed=8, **how)
    assert [clip.split for clip in rootless.clips()] == splits[2]
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == kept


def test_a_corpus_of_another_format_is_refused(root, out, tmp_path):
    shutil.copytree(out, tmp_path / "old")
    write_json(tmp_path / "old" / "corpus.json", {**read_json(out / "corpus.json"), "format": 1})
    with pytest.raises(InputError, match="another format \\(1, this one reads 2\\)"):
        corpus_of(root, tmp_path / "old").clips()


def test_the_identity_of_a_corpus_is_its_content(root, tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        corpus_of(root, folder).prepare(workers=0, progress=lambda *at: None)
    one, other = (corpus_of(root, folder).identity for folder in folders)
    assert one == other != ""


# Drawing


def drawer(store, **how):
    return BatchSampler(
        store,
        list(range(len(store.clips))),
        batch=4,
        frames=2,
        make_generator=partial(generator, 5, "draw"),
        **how,
    )


@pytest.mark.parametrize("how", [{}, {"balanced": True}, {"same_speaker": True}])
def test_drawing_goes_on_in_mid_epoch_at_the_very_next_sample(out, how):
    store = ShardStore(out)
    first = drawer(store, **how)
    drawn = [first.sample(step) for step in range(9)]
    again = drawer(ShardStore(out), **how)  # as after a kill at step 5
    for step in range(5, 9):
        later = again.sample(step)
        for name in ("clips", "frames", "others"):
            np.testing.assert_array_equal(getattr(later, name), getattr(drawn[step], name))


def test_every_clip_is_drawn_once_an_epoch_in_another_order_each(out):
    draws = drawer(ShardStore(out))
    clips = np.concatenate([draws.sample(step).clips for step in range(9)]).reshape(6, 6)
    for epoch in clips:
        assert sorted(epoch) == list(range(6))
    assert len({tuple(epoch) for epoch in clips}) > 1


def test_balanced_drawing_hears_every_speaker_alike(out):
    store = ShardStore(out)
    lopsided = [0, 2, 3, 4, 5]  # one clip of the first speaker, two of the others
    draws = BatchSampler(
        store, lopsided, batch=5, frames=1, make_generator=partial(generator, 1), balanced=True
    )
    clips = np.concatenate([draws.sample(step).clips for step in range(12)])
    speakers = Counter(store.clips[i].labels["identity"] for i in clips)
    assert speakers == {"ann0": 20, "ann1": 20, "ann2": 20}
    assert Counter(clips.tolist()) == {0: 20, 2: 10, 3: 10, 4: 10, 5: 10}
