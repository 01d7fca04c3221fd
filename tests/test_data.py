"""The corpus on the disk, drawing from it, alignment, and files that are whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers_batches import loader_of
from helpers_shelf import held_by_another, hold_lock
from helpers_toy import Toy, ToyOptions

from s2vkit import AudioEncoder, FrozenFeatures, SegmentSummaries, Stage, StageOptions, Summary, align
from s2vkit.data.array_writers import FolderWriter
from s2vkit.data.arrays import Arrays, new_array
from s2vkit.data.cache_entries import cached
from s2vkit.data.frozen_speech import encode_segments, encode_speech, pick_segments
from s2vkit.data.preparation.prepare import prepare
from s2vkit.data.sampling import BatchSampler
from s2vkit.data.store import ClipStore
from s2vkit.engine.loading import BatchDataset
from s2vkit.engine.sources import Sources
from s2vkit.errors import InputError, PluginError
from s2vkit.files import atomic_folder, locked, read_json, recover_folder, replacing, write_json
from s2vkit.interfaces.fields import BatchField, Frames, Mismatched, sampling_of
from s2vkit.interfaces.fields.clips import pad_speech
from s2vkit.interfaces.pixels import to_images
from s2vkit.interfaces.seed import generator
from s2vkit.settings import Alignment


def corpus(folder, workers=0, **options):
    progress = []
    toy = Toy(ToyOptions(**options), seed=3)
    prepare(toy, folder, workers=workers, progress=lambda *at: progress.append(at))
    return toy, ClipStore(folder), progress


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return corpus(tmp_path_factory.mktemp("data") / "corpus")[1]


# The corpus


def test_a_corpus_holds_what_the_dataset_brought(tmp_path):
    toy, store, progress = corpus(tmp_path / "corpus")
    assert progress[-1] == (16, 16)
    assert [c.name for c in store.clips] == [c.name for c in toy.clips()]
    for i in (0, 7, 15):
        raw = toy.load(i)
        np.testing.assert_array_equal(store.frames(i), raw.frames)
        np.testing.assert_array_equal(store.frames(i, np.array([3, 1])), raw.frames[[3, 1]])
        np.testing.assert_array_equal(store.speech(i), raw.speech)
        np.testing.assert_array_equal(store.truth(i)["mouth_aperture"], raw.truth["mouth_aperture"])
    assert len(store.split("train")) == 8
    assert len(store.split("val")) == len(store.split("test")) == 4
    assert not list(tmp_path.glob("*.parts"))


def test_workers_make_the_same_corpus(tmp_path):
    corpus(tmp_path / "alone")
    corpus(tmp_path / "workers", workers=2)
    for name in ("frames.npy", "speech.npy", "index.json"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "workers" / name).read_bytes()


def test_speech_comes_at_the_rate_asked_for(tmp_path):
    toy, store, _ = corpus(tmp_path / "corpus", rate=8000)
    assert len(store.speech(0)) == len(toy.load(0).speech)
    there = store.speech(0, 16000)
    assert len(there) == 2 * len(store.speech(0))
    np.testing.assert_allclose(there[::2][200:-200], store.speech(0)[200:-200], atol=0.05)


def test_clips_that_cannot_be_loaded_are_set_aside(tmp_path):
    _, store, _ = corpus(tmp_path / "corpus", bad=[2], misshapen=[5])
    aside = store.index.rejected
    assert list(aside) == ["s0_0_2", "s0_1_1"]
    assert aside["s0_0_2"] == "clip 2 has no face"
    assert "(22, 34, 34, 3), not uint8 (V, 32, 32, 3)" in aside["s0_1_1"]
    assert len(store.clips) == 14
    np.testing.assert_array_equal(store.frames(2), Toy(ToyOptions(), seed=3).load(3).frames)


def test_a_corpus_mostly_unusable_stops(tmp_path):
    with pytest.raises(InputError, match=r"9 of 16 clips cannot be used.*s0_0_0: clip 0 has no"):
        corpus(tmp_path / "corpus", bad=list(range(9)))
    assert not (tmp_path / "corpus").exists()


def test_a_stopped_preparation_goes_on(tmp_path, monkeypatch):
    loaded = []

    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Toy(ToyOptions(bad=[1]), seed=3), tmp_path / "c", workers=0, progress=stop)
    load = Toy.load
    monkeypatch.setattr(Toy, "load", lambda self, i: (loaded.append(i), load(self, i))[1])
    _, store, _ = corpus(tmp_path / "c", bad=[1])
    assert loaded == [1, *range(5, 16)]
    assert list(store.index.rejected) == ["s0_0_1"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "s0_0_0"}, "16 clips are named 's0_0_0'"),
        ({"split": "dev"}, "in split 'dev', not one of train, val, test"),
        ({"labels": {"emotion": "boredom"}}, "unknown emotion 'boredom'"),
    ],
)
def test_a_dataset_that_breaks_its_word_is_told_so(tmp_path, monkeypatch, changes, said):
    from dataclasses import replace

    clips = Toy.clips
    monkeypatch.setattr(Toy, "clips", lambda self: [replace(c, **changes) for c in clips(self)])
    with pytest.raises(PluginError, match=said):
        corpus(tmp_path / "corpus")


def test_a_dataset_without_clips_is_told_so(tmp_path):
    with pytest.raises(InputError, match="has no clip"):
        corpus(tmp_path / "corpus", speakers=0)


@pytest.mark.parametrize("file", ["index.json", "frames.npy", "speech.npy", "truth.npz"])
def test_a_damaged_corpus_says_what_to_delete(tmp_path, file):
    corpus(tmp_path / "corpus")
    path = tmp_path / "corpus" / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError) as caught:
        ClipStore(tmp_path / "corpus")
    assert str(path) in str(caught.value)
    assert f"delete the folder {tmp_path / 'corpus'}" in str(caught.value)


def test_a_corpus_of_another_format_is_refused(tmp_path):
    corpus(tmp_path / "corpus")
    index = tmp_path / "corpus" / "index.json"
    write_json(index, {**read_json(index), "format": 99})
    with pytest.raises(InputError, match="another format"):
        ClipStore(tmp_path / "corpus")


def test_an_absent_split_is_told(tmp_path):
    _, store, _ = corpus(tmp_path / "corpus", split="no_test")
    with pytest.raises(InputError, match="no clip in split 'test'"):
        store.split("test")


# Drawing


def drawer(store, seed=1, clips=None, **how):
    how = {"batch": 3, "frames": 4, **how}
    make = partial(generator, seed, "draw", "stage")
    return BatchSampler(store, clips or list(range(len(store.clips))), make_generator=make, **how)


def test_every_clip_is_drawn_once_an_epoch(store):
    draw = drawer(store)
    order = np.concatenate([draw.sample(step).clips for step in range(16)])  # 3 epochs of 16
    epochs = order.reshape(3, 16)
    for epoch in epochs:
        assert sorted(epoch) == list(range(16))
    assert not np.array_equal(epochs[0], epochs[1])


def test_a_batch_greater_than_the_corpus_wraps_round(store):
    clips = drawer(store, batch=40).sample(0).clips
    assert sorted(clips[:16]) == sorted(clips[16:32]) == list(range(16))


def test_a_batch_is_a_function_of_seed_and_step_alone(store):
    straight, jumping = drawer(store), drawer(store)
    steps = [straight.sample(step) for step in range(9)]
    for step in (8, 2, 5):
        again = jumping.sample(step)
        for name in ("clips", "frames", "others"):
            np.testing.assert_array_equal(getattr(again, name), getattr(steps[step], name))
    assert any(not np.array_equal(drawer(store, seed=2).sample(i).clips, steps[i].clips) for i in range(3))


@pytest.mark.parametrize("gap", [1, 5, 9])
def test_a_mismatched_time_is_at_least_the_gap_away(store, gap):
    draw, distances = drawer(store, batch=16, frames=20, gap=gap), []
    for step in range(20):
        drawn = draw.sample(step)
        counts = np.array([store.clips[i].frames for i in drawn.clips])[:, None]
        assert (drawn.others < counts).all()
        assert (drawn.frames < counts).all()
        distances.append(np.abs(drawn.others - drawn.frames))
    assert np.concatenate(distances).min() == gap
    assert 20 - gap <= np.concatenate(distances).max() <= 22 - gap


def test_clips_shorter_than_twice_the_gap_still_have_a_mismatch(store):
    drawn = drawer(store, batch=16, frames=6, gap=50).sample(0)
    assert (np.abs(drawn.others - drawn.frames) >= 10).all()


def test_drawn_frames_are_distinct_where_there_are_enough(store):
    rows = drawer(store, batch=16, frames=20).sample(0).frames
    assert all(len(set(row)) == 20 for row in rows)
    more = drawer(store, batch=2, frames=40).sample(0).frames
    assert more.shape == (2, 40)


def test_a_batch_may_be_of_one_speaker(store):
    draw = drawer(store, batch=5, same_speaker=True)
    speakers = [{store.clips[i].labels["identity"] for i in draw.sample(step).clips} for step in range(4)]
    assert speakers == [{"s0"}, {"s1"}, {"s0"}, {"s1"}]


# Alignment, padding, images


def test_linear_alignment_by_hand():
    # steps at 0.125, 0.375, 0.625, 0.875 s; frames' middles at 0.25 and 0.75 s
    features = torch.tensor([[[0.0], [1.0], [4.0], [9.0]]])
    torch.testing.assert_close(align(features, 4.0, 2.0, 2), torch.tensor([[[0.5], [6.5]]]))
    later = align(features, 4.0, 2.0, 2, shift=0.125)  # at 0.375 and 0.875 s
    torch.testing.assert_close(later, torch.tensor([[[1.0], [9.0]]]))
    held = align(features, 4.0, 2.0, 4)  # past the end, the last is held
    torch.testing.assert_close(held[0, 2:, 0], torch.tensor([9.0, 9.0]))


def test_mean_alignment_by_hand():
    features = torch.tensor([[[0.0], [1.0], [4.0], [9.0]]])
    torch.testing.assert_close(align(features, 4.0, 2.0, 2, mode="mean"), torch.tensor([[[0.5], [6.5]]]))
    moved = align(features, 4.0, 2.0, 2, mode="mean", shift=0.25)
    torch.testing.assert_close(moved, torch.tensor([[[2.5], [9.0]]]))
    past = align(features, 4.0, 2.0, 4, mode="mean")
    torch.testing.assert_close(past[0, 2:, 0], torch.tensor([9.0, 9.0]))


def test_frames_faster_than_steps_are_interpolated():
    features = torch.arange(10.0).view(1, 10, 1)
    torch.testing.assert_close(align(features, 10.0, 20.0, 4)[0, :, 0], torch.tensor([0.0, 0.25, 0.75, 1.25]))


def test_padding_and_images():
    padded, lengths = pad_speech([np.ones(2, np.float32), np.ones(4, np.float32)])
    assert padded.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert lengths.tolist() == [2, 4]
    images = to_images(torch.tensor([[[[0, 255, 51]]]], dtype=torch.uint8))
    assert images.shape == (1, 3, 1, 1)
    torch.testing.assert_close(images.flatten(), torch.tensor([-1.0, 1.0, -0.6]))


# Files that are whole or not at all


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "x"
    for text in ("one", "two"):
        with atomic_folder(path) as part:
            (part / "a").write_text(text)
            assert (path / "a").exists() == (text == "two")
    assert (path / "a").read_text() == "two"
    with pytest.raises(ZeroDivisionError), atomic_folder(path) as part:  # noqa: PT012
        (part / "a").write_text("three")
        raise ZeroDivisionError
    assert (path / "a").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path):
    (tmp_path / ".x.old").mkdir()
    (tmp_path / ".x.old" / "a").write_text("one")
    (tmp_path / ".x.part").mkdir()
    (tmp_path / ".x.part" / "a").write_text("half")
    assert recover_folder(tmp_path / "x")
    assert (tmp_path / "x" / "a").read_text() == "one"
    with atomic_folder(tmp_path / "x") as part:
        assert list(part.iterdir()) == []
        (part / "a").write_text("two")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert not recover_folder(tmp_path / "y")


def test_a_failure_between_the_two_renames_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / "x"
    with atomic_folder(path) as part:
        (part / "a").write_text("one")
    rename = type(path).rename

    def failing(self, target):
        if self.name == ".x.part":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", failing)
    with pytest.raises(KeyboardInterrupt), atomic_folder(path) as part:
        (part / "a").write_text("two")
    assert (path / "a").read_text() == "one"


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ZeroDivisionError), replacing(path) as part:  # noqa: PT012
        part.write_text("half")
        raise ZeroDivisionError
    assert read_json(path) == {"a": 1}
    path.write_text('{"a": ')
    assert read_json(path) is None
    assert read_json(tmp_path / "none.json") is None
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_a_cache_is_made_once(tmp_path):
    made = []

    def make(out):
        made.append(out)
        new_array(out / "x0.npy", (2, 3))[:] = 7
        new_array(out / "x1.npy", (2, 1))[:] = 8
        new_array(out / "other.npy", (1,))

    for _ in range(2):
        held = cached(tmp_path / "cache", make)
        assert [a.tolist() for a in held.named("x")] == [[[7.0] * 3] * 2, [[8.0]] * 2]
    assert len(made) == 1
    with pytest.raises(InputError, match="features"):
        held["features"]
    array = tmp_path / "cache" / "x0.npy"
    array.write_bytes(array.read_bytes()[:-4])
    with pytest.raises(InputError, match=f"delete the folder {tmp_path / 'cache'}"):
        Arrays(tmp_path / "cache")


def test_a_lock_is_held_by_one_process(tmp_path):
    with locked(tmp_path / "lock", wait=False) as held:
        assert held
    with held_by_another(hold_lock, tmp_path / "lock") as let_go:
        with locked(tmp_path / "lock", wait=False) as held:
            assert not held
        let_go()
        with locked(tmp_path / "lock", wait=True) as held:
            assert held


# What is heard once


class Ear(AudioEncoder):
    """An encoder whose summary is a clip's length and its mean square."""

    sample_rate, rate, dim, summary_dim, level = 16000, 100.0, 1, 2, None

    def forward(self, speech, lengths):
        valid = torch.arange(speech.shape[1]) < lengths.unsqueeze(1)
        power = (speech.square() * valid).sum(1) / lengths
        steps = speech[:, ::160].unsqueeze(2)
        return steps, torch.stack([lengths.float(), power], 1)


def heard(store, folder, segments, seed=5, **how):
    folder.mkdir()
    cpu, quiet = torch.device("cpu"), lambda *at: None
    out = FolderWriter(folder)
    encode_speech(store, Ear(), out, device=cpu, alignment=Alignment(), progress=quiet)
    picks = pick_segments(store, segments, generator(seed, "stretches"), **how)
    encode_segments(store, Ear(), out, device=cpu, picks=picks, progress=quiet)
    return Arrays(folder)


def test_segments_are_pieces_of_the_training_clips(store, tmp_path):
    arrays = heard(store, tmp_path / "one", 3)
    whole = arrays["summary"][:, 0]
    np.testing.assert_array_equal(whole, [clip.samples for clip in store.clips])
    for i in store.split("train"):
        share = arrays["segments"][i, :, 0] / whole[i]
        assert (share > 0.3).all()
        assert (share < 0.91).all()
        assert len(set(share)) == 3
    assert not arrays["segments"][store.split("test")].any()
    again = heard(store, tmp_path / "two", 3)
    np.testing.assert_array_equal(arrays["segments"], again["segments"])
    other = heard(store, tmp_path / "three", 3, seed=6)
    assert (arrays["segments"][0] != other["segments"][0]).any()


def test_segments_may_be_as_short_as_asked_and_as_long_as_the_clip(store, tmp_path):
    train = store.split("train")
    whole = np.array([store.clips[i].samples for i in train])[:, None]
    seconds = whole.min() / 16000 / 8
    arrays = heard(store, tmp_path / "one", 64, shortest=seconds)
    lengths = arrays["segments"][train, :, 0]
    assert (lengths >= 16000 * seconds - 16).all()
    assert (lengths <= whole).all()
    half = lengths < 16000 * seconds * np.sqrt(whole / whole.min() * 8)
    assert 0.4 < half.mean() < 0.6, "each doubling is as likely"
    arrays = heard(store, tmp_path / "all", 2, shortest=60.0)
    assert (arrays["segments"][train, :, 0] == whole).all()


def test_a_step_hears_wholes_and_segments(store, tmp_path):
    arrays = heard(store, tmp_path / "heard", 3)

    class Listens(Stage):
        fields = (Summary(segments=3),)
        options = StageOptions(steps=1, batch=4)

    frozen = {FrozenFeatures("speech"): arrays, FrozenFeatures("segments", count=3): arrays}
    batches = loader_of(Sources(store, 16000, frozen), Listens(), "listens")
    seen = set()
    for step in range(20):
        clips = batches(step)
        for name, summary in zip(clips.names, clips["summary"], strict=True):
            i = [clip.name for clip in store.clips].index(name)
            known = [tuple(arrays["summary"][i]), *map(tuple, arrays["segments"][i])]
            seen.add(known.index(tuple(summary.tolist())))
    assert seen == {0, 1, 2, 3}
    assert torch.equal(batches(7)["summary"], batches(7)["summary"])


@pytest.mark.parametrize(("most", "count"), [(16384, 3), (8, 2), (1, 1)])
def test_a_stage_that_starts_is_shown_wholes_and_segments_of_every_clip(store, tmp_path, most, count):
    arrays = heard(store, tmp_path / "heard", 3)

    class Prepares(Stage):
        fields = (Summary(segments=3), SegmentSummaries(segments=3, most=most))
        options = StageOptions(steps=1, batch=4)

    frozen = {FrozenFeatures("speech"): arrays, FrozenFeatures("segments", count=3): arrays}
    batches = loader_of(Sources(store, 16000, frozen), Prepares(), "prepares")
    assert batches(0).get("segments") is None
    clips = batches.training_clips(4)
    assert clips["segments"].shape == (4, 1 + count, 2)
    for name, found in zip(clips.names, clips["segments"].numpy(), strict=True):
        i = [clip.name for clip in store.clips].index(name)
        np.testing.assert_array_equal(found[0], arrays["summary"][i])
        np.testing.assert_array_equal(found[1:], arrays["segments"][i, :count])


# What fields ask of sampling


@dataclass(frozen=True)
class Nearest(BatchField):
    """A field whose settings happen to be called as what is asked of sampling."""

    n: int = 64
    window: int = 9
    gap: int = 50


@dataclass(frozen=True)
class Runs(BatchField):
    """A field that asks for runs of frames by a setting of its own name."""

    length: int = 7

    def sampling(self):
        return {"frames": self.length, "window": self.length}


def test_sampling_is_the_most_that_any_field_asks_for_and_no_setting_by_its_name():
    assert sampling_of([Nearest()]) == sampling_of([])
    asked = sampling_of([Frames(4, 2), Nearest(), Mismatched(3), Runs(), Mismatched(8)])
    assert (asked.frames, asked.window, asked.gap) == (7, 7, 8)
    assert sampling_of([Mismatched(3)]).gap == 3


@pytest.mark.parametrize("window", [1, 2])
def test_frames_in_a_row_are_of_the_middle_of_a_clip_and_end_with_it(store, window):
    stage = SimpleNamespace(
        fields=(Frames(4, window),), options=SimpleNamespace(batch=2, sampling="uniform"), same_speaker=False
    )
    dataset = BatchDataset(Sources(store, 16000), stage, "s", seed=1)
    seen = []
    dataset._load = lambda indices, number: seen.append(indices)
    for runs in (6 // window, 10000 // window):
        dataset.spread("train", 100, runs=runs, consecutive=True)
    few, all_ = (indices.frames for indices in seen)
    assert (np.diff(few) == 1).all()
    lengths = np.array([store.clips[i].frames for i in seen[0].clips])
    middles = few.mean(1) - (lengths - 1) / 2
    assert (np.abs(middles) <= 1).all()
    assert (all_[:, 0] == 0).all()
    assert (all_[:, -1] == lengths - 1).all()


def test_held_out_runs_are_consecutive_and_their_mismatches_half_a_clip_away(store):
    stage = SimpleNamespace(
        fields=(Frames(5, 5), Mismatched(5)),
        options=SimpleNamespace(batch=2, sampling="uniform"),
        same_speaker=False,
    )
    dataset = BatchDataset(Sources(store, 16000), stage, "s", seed=1)
    seen = []
    dataset._load = lambda indices, number: seen.append(indices)
    dataset.spread("train", 100, runs=3)
    (found,) = seen
    runs, others = (rows.reshape(len(rows), 3, 5) for rows in (found.frames, found.others))
    assert (np.diff(runs) == 1).all()
    assert (np.diff(others) == 1).all()
    places = np.array([store.clips[i].frames - 4 for i in found.clips])[:, None]
    assert (np.abs(runs - others)[:, :, 0] >= places // 2).all()
