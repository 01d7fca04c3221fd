"""Sound and picture stay together through cutting: clicks and flashes, measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers_film import RATE, clicks, flashing, steady, write_film

from s2vkit.data.extraction.grid import Grid
from s2vkit.data.preparation.cut import Cut, Cutting, cut_source
from s2vkit.interfaces.dataset import Source
from s2vkit.interfaces.face_detector import FaceDetector, Faces

SMALL = {"size": 16, "min_face": 16, "detect_at": 32}
HALF = 0.0205  # s: half a frame at 25 fps, and the milliseconds that mkv and flv round to


class Whole(FaceDetector):
    """Finds the whole picture."""

    def __call__(self, frames: np.ndarray) -> list[Faces]:
        height, width = frames.shape[1:3]
        box = np.array([[0, 0, width, height]], np.float32)
        return [Faces(box, np.ones(1, np.float32)) for _ in frames]


def cut(path: Path, **options) -> list[Cut]:
    source = Source(path.stem, path, {}, "train")
    return cut_source(source, Cutting(**{**SMALL, **options}), Whole()).clips


def varying(seconds: float) -> np.ndarray:
    steps = np.random.default_rng(1).choice([1 / 15, 1 / 24, 1 / 25, 1 / 30, 1 / 50], 60 * 50)
    times = np.cumsum(steps) - steps[0]
    return times[times < seconds]


def flashes(clip: Cut) -> np.ndarray:
    """Times, in the source, at which the clip turns bright."""
    bright = np.concatenate([[False], clip.frames.mean((1, 2, 3)) > 140])
    return clip.start + np.flatnonzero(~bright[:-1] & bright[1:]) / 25


def heard(clip: Cut) -> np.ndarray:
    """Times, in the source, at which the clip begins to click."""
    loud = np.flatnonzero(np.abs(clip.speech) > 0.2)
    return clip.start + loud[np.diff(loud, prepend=-9999) > 4000] / 16000


def offsets(clip: Cut, times: np.ndarray) -> np.ndarray:
    """Seconds by which each flash came later against its click than in the source."""
    added = []
    first = float(times[0])
    sounds = heard(clip)
    for seen in flashes(clip):
        second = round(seen + first - 0.03)
        shown = times[np.searchsorted(times, second - 1e-6)]  # the source's own first bright frame
        click = sounds[np.argmin(np.abs(sounds - (second - first)))]
        if abs(click - (second - first)) < 0.3:
            added.append((seen - click) - (float(shown) - second))
    return np.array(added)


RATES = {
    "22.131": steady(22.131, 60),
    "25": steady(25, 60),
    "29.97": steady(30000 / 1001, 60),
    "30": steady(30, 60),
    "variable": varying(60),
}


@pytest.mark.parametrize(("rate", "ending"), [*((rate, ".mp4") for rate in RATES), ("22.131", ".flv")])
def test_a_minute_stays_in_sync(tmp_path, rate, ending):
    times = RATES[rate]
    path = write_film(tmp_path / f"a{ending}", times, flashing(), clicks(60))
    (clip,) = cut(path)
    assert len(clip.frames) == pytest.approx(1500, abs=2)
    assert len(clip.speech) == round(len(clip.frames) * 640)
    added = offsets(clip, times)
    assert len(added) >= 58
    assert np.abs(added).max() <= HALF + (0.0005 if ending == ".flv" else 0)  # both are rounded
    assert abs(added.mean()) < 0.005
    assert abs(added[:10].mean() - added[-10:].mean()) < 0.01  # no drift


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".flv", ".ts", ".webm"])
@pytest.mark.parametrize(("late_sound", "late_picture"), [(0.43, 0.0), (0.0, 0.37)])
def test_other_starts_stay_in_sync(tmp_path, ending, late_sound, late_picture):
    times = steady(30, 5, late_picture)
    rate = 48000 if ending == ".webm" else RATE
    sound = clicks(5 - late_sound, rate, late_sound)
    path = write_film(
        tmp_path / f"a{ending}", times, flashing(), sound, sound_start=late_sound, sound_rate=rate
    )
    (clip,) = cut(path)
    added = offsets(clip, times)
    assert len(added) >= 3
    assert np.abs(added).max() <= HALF
    if late_sound:
        assert np.abs(clip.speech[: int(0.35 * 16000)]).max() < 0.005  # silence stands in


def test_sound_that_starts_much_later_takes_the_picture_before_it_away(tmp_path):
    times = steady(25, 6)
    path = write_film(tmp_path / "a.mkv", times, flashing(), clicks(4, start=2.0), sound_start=2.0)
    (clip,) = cut(path)
    assert clip.start == pytest.approx(1.5, abs=0.05)
    assert np.abs(offsets(clip, times)).max() <= HALF


@pytest.mark.parametrize("missing", [0.3, 2.0])
def test_sound_that_ends_early_is_made_up_or_ends_the_clip(tmp_path, missing):
    path = write_film(tmp_path / "a.mkv", steady(25, 5), flashing(), clicks(5 - missing))
    (clip,) = cut(path)
    kept = 5.0 if missing < 0.5 else 5 - missing + 0.5
    assert len(clip.frames) / 25 == pytest.approx(kept, abs=0.05)
    assert len(clip.speech) == len(clip.frames) * 640


def test_sound_longer_than_the_picture_is_cut(tmp_path):
    path = write_film(tmp_path / "a.mp4", steady(25, 3), flashing(), clicks(6))
    (clip,) = cut(path)
    assert len(clip.frames) == 75
    assert len(clip.speech) == 48000


def test_a_hole_in_the_sound_is_silence_and_what_follows_keeps_its_time(tmp_path):
    from s2vkit.data.extraction.sound import Track

    tone = np.full(4800, 0.5, np.float32)
    track = Track(16000, 10.0, 2.0)
    for time in (9.95, 10.05, 10.5, 10.55):  # early, on, a hole, an overlap
        track.take(time, 48000, tone)
    track.flush()
    level = np.abs(track.samples) > 0.25
    edges = np.flatnonzero(np.diff(level.astype(int))) / 16000
    np.testing.assert_allclose(edges, [0.15, 0.5, 0.65], atol=0.001)
    assert track.first == 0
    assert track.last == pytest.approx(0.65, abs=0.001)


def test_time_stamps_that_jump_far_make_neither_frames_nor_silence():
    grid = Grid([(0.0, "a"), (0.04, "b"), (1e9, "c"), (1e9 + 0.04, "d")], 25)
    shown = [each.frame for each in grid]
    assert shown[:2] == ["a", "b"]
    assert len(shown) < 100


def test_separate_sound_is_taken_from_the_files_start(tmp_path):
    from helpers_media import write_sound

    times = steady(25, 4)
    path = write_film(tmp_path / "a.mp4", times, flashing())
    sound = write_sound(tmp_path / "a.wav", clicks(4, 16000)[None], 16000)
    source = Source("a", path, {}, "train", sound)
    (clip,) = cut_source(source, Cutting(**SMALL), Whole()).clips
    assert np.abs(offsets(clip, times)).max() <= HALF
