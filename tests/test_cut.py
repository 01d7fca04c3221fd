"""Cutting: one upright, steady face a clip, and a reason for each file that gives none."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers_film import FindsDrawn, Portrait, clicks, steady, write_film

from s2vkit.data.preparation.cut import REASONS, Cutting, Cuttings, Rejected, cut_source, fingerprint_of
from s2vkit.interfaces.dataset import Source
from s2vkit.media.film import Film

SMALL = {"size": 32, "min_face": 24, "detect_at": 160}


def talk(seconds: float, bursts: float = 2.0) -> np.ndarray:
    """Noise that comes and goes, as syllables do."""
    time = np.arange(round(seconds * 22050)) / 22050
    noise = np.random.default_rng(0).normal(0, 0.2, len(time))
    return (noise * loudness(time, bursts)).astype(np.float32)


def loudness(time, bursts: float = 2.0):
    return np.clip(np.sin(2 * np.pi * bursts * time) + 0.3 * np.sin(3.1 * time), 0, 1)


def film(folder: Path, draw, seconds: float = 3.0, sound=None, name: str = "a.mp4", **words) -> Path:
    sound = talk(seconds) if sound is None else sound
    return write_film(folder / name, steady(25, seconds), draw, sound, **words)


def cut(path: Path, **options) -> Cuttings:
    source = Source(path.stem, path, {}, "train")
    return cut_source(source, Cutting(**{**SMALL, **options}), FindsDrawn())


def aside(path: Path, **options) -> Rejected:
    with pytest.raises(Rejected) as told:
        cut(path, **options)
    return told.value


def still(x: float = 80, y: float = 60, tall: float = 50):
    return lambda time: (x, y, tall)


def skin(frames: np.ndarray) -> np.ndarray:
    red, green = frames[..., 0].astype(int), frames[..., 1].astype(int)
    return red - green > 35


def centres(frames: np.ndarray) -> np.ndarray:
    return np.array([np.argwhere(each).mean(0)[::-1] + 0.5 for each in skin(frames)])


def test_a_moving_growing_face_stays_centred_at_one_size(tmp_path):
    draw = Portrait(lambda t: (60 + 12 * t, 55 + 4 * np.sin(2 * t), 40 + 6 * t))
    (clip,) = cut(film(tmp_path, draw)).clips
    assert clip.frames.shape == (75, 32, 32, 3)
    assert clip.speech.shape == (48000,)
    assert clip.start == 0
    middle = centres(clip.frames)
    assert np.abs(middle - middle.mean(0)).max() < 1.2
    assert middle.mean(0) == pytest.approx([16, 16], abs=2)
    areas = skin(clip.frames).sum((1, 2))
    assert areas.max() / areas.min() < 1.25
    source = [60 + 12 * 1.5, 55 + 4 * np.sin(3.0), 1]
    assert clip.transforms[37] @ source == pytest.approx(middle[37], abs=1.5)
    assert (clip.boxes[:, 2] - clip.boxes[:, 0]).min() > 40


def test_a_tilted_face_is_set_upright():
    from s2vkit.data.extraction.align import place_by_landmarks

    upright = np.array([[-10, -8], [10, -8], [0, 2], [-7, 12], [7, 12]], float)
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    marks = np.repeat((upright @ turn.T + [100, 90])[None], 50, 0)
    place = place_by_landmarks(marks, 0.14, 8, 200, 200)
    mapped = marks @ place.transforms(64)[0][:, :2].T + place.transforms(64)[0][:, 2]
    left, right = mapped[25, :2]
    assert left[1] == pytest.approx(right[1], abs=0.1)
    assert left[0] < right[0]
    assert (left[0] + right[0]) / 2 == pytest.approx(32, abs=0.1)


def test_smoothing_leaves_a_straight_way_alone_and_takes_jitter_out():
    from s2vkit.data.extraction.align import smooth

    line = np.linspace(0, 10, 60)[:, None]
    np.testing.assert_allclose(smooth(line, 6), line, atol=1e-9)
    jitter = np.random.default_rng(0).normal(0, 1, (200, 1))
    assert smooth(jitter, 6).std() < 0.35


def test_a_face_at_the_edge_is_padded_not_shifted_far(tmp_path):
    (clip,) = cut(film(tmp_path, Portrait(still(x=14)))).clips
    assert centres(clip.frames)[:, 0].mean() == pytest.approx(16, abs=6)


def test_a_turned_phones_film_comes_out_upright(tmp_path):
    path = film(tmp_path, Portrait(still(x=50, y=60)))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44  # the first track's matrix: a quarter turn clockwise
    data[at : at + 20] = b"".join(v.to_bytes(4, "big", signed=True) for v in (0, 65536, 0, -65536, 0))
    path.write_bytes(data)
    from s2vkit.media.film import Film, Scaler

    seen = Film(path)
    picture = Scaler(seen)(next(iter(seen))[1])
    assert picture.shape == (160, 120, 3)
    assert np.argwhere(skin(picture)).mean(0)[0] < 80 - 20  # what was left is above now
    assert len(cut(path).clips) == 1


def test_two_faces_the_talking_one_is_chosen(tmp_path):
    draw = Portrait(still(45), still(115))
    draw.mouths = {1: loudness, 0: lambda time: 0.4 + 0.4 * np.sin(17 * time)}
    (clip,) = cut(film(tmp_path, draw)).clips
    assert (clip.boxes[:, 0] > 70).all()


def test_two_faces_alike_cannot_be_told_apart(tmp_path):
    told = aside(film(tmp_path, Portrait(still(45), still(115))))
    assert told.reason == "several_faces"


def test_a_much_larger_face_is_the_one_that_talks(tmp_path):
    (clip,) = cut(film(tmp_path, Portrait(still(50, 60, 70), still(130, 40, 30)))).clips
    assert (clip.boxes[:, 2] < 110).all()


def test_a_cut_in_the_middle_makes_two_clips(tmp_path):
    def place(time):
        return (50, 60, 50) if time < 1.6 else (110, 55, 60)

    draw = Portrait(place, background=lambda time: 30 if time < 1.6 else 150)
    found = cut(film(tmp_path, draw, 4.0))
    assert [len(clip.frames) for clip in found.clips] == [40, 60]
    assert [clip.start for clip in found.clips] == [0, 1.6]
    np.testing.assert_allclose(cut(film(tmp_path, draw, 4.0, name="b.mkv")).clips[1].start, 1.6)


def test_a_film_longer_than_wanted_becomes_several_clips(tmp_path):
    found = cut(film(tmp_path, Portrait(still()), 5.0), longest=2.0)
    assert [len(clip.frames) for clip in found.clips] == [50, 50, 25]


def test_decoding_twice_gives_the_same_clip(tmp_path):
    path = film(tmp_path, Portrait(lambda t: (60 + 12 * t, 55, 45)))
    (held,), (again,) = cut(path).clips, cut(path, hold=0).clips
    np.testing.assert_array_equal(held.frames, again.frames)
    np.testing.assert_array_equal(held.speech, again.speech)


def silent(seconds: float = 3.0) -> np.ndarray:
    return np.zeros(round(seconds * 22050), np.float32)


def shots(time: float) -> int:
    return 30 + 60 * (int(time / 0.5) % 3)


def garbage(folder: Path) -> Path:
    path = folder / "a.mp4"
    path.write_text("no film at all" * 100)
    return path


MADE = {
    "no_face": lambda f: film(f, Portrait()),
    "face_too_small": lambda f: film(f, Portrait(still(tall=18))),
    "several_faces": lambda f: film(f, Portrait(still(45), still(115))),
    "cut_inside": lambda f: film(f, Portrait(still(), background=shots)),
    "no_sound_track": lambda f: write_film(f / "a.mp4", steady(25, 3), Portrait(still())),
    "silent": lambda f: film(f, Portrait(still()), sound=silent()),
    "too_short": lambda f: film(f, Portrait(still()), 0.6),
    "undecodable": garbage,
}


@pytest.mark.parametrize("reason", MADE)
def test_every_reason_is_reached_and_told(tmp_path, reason):
    told = aside(MADE[reason](tmp_path))
    assert told.reason == reason
    assert len(told.detail) > 15
    again = pickle.loads(pickle.dumps(told))
    assert (again.reason, again.detail, again.message) == (reason, told.detail, told.message)


def test_the_reasons_are_those_and_the_callers_own():
    assert set(REASONS) == {*MADE, "duplicate"}
    with pytest.raises(ValueError, match="'odd' is no reason"):
        Rejected("odd", "it is odd")


def test_duplicates_have_one_fingerprint(tmp_path):
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_bytes(b"same" * 1000)
    other.write_bytes(b"same" * 1000)
    assert fingerprint_of(one) == fingerprint_of(other)
    other.write_bytes(b"same" * 1000 + b".")
    assert fingerprint_of(one) != fingerprint_of(other)


def test_sound_much_shorter_than_wanted_is_too_short(tmp_path):
    told = aside(film(tmp_path, Portrait(still()), sound=clicks(0.2), name="a.mkv"))
    assert told.reason == "too_short"
    assert "sound" in told.detail


@pytest.mark.parametrize("seen", [range(0, 75, 8), [0, 8, 40, 48, 56]])
def test_a_face_is_followed_past_misses_and_false_finds(seen):
    from s2vkit.data.extraction.follow import follow
    from s2vkit.interfaces.face_detector import Faces

    found = {}
    for row in range(0, 75, 8):
        boxes = [[20 + row, 20, 60 + row, 70]] if row in seen else []
        boxes += [[150, 150, 170, 175]] if row == 24 else []
        found[row] = Faces(np.array(boxes, float).reshape(-1, 4), np.ones(len(boxes)))
    tracks = follow(found, 0.9, 24 if len(seen) > 5 else 40)
    main = max(tracks, key=lambda track: len(track.at))
    assert main.at == list(seen)
    boxes, landmarks = main.fill(0, 57)
    assert landmarks is None
    np.testing.assert_allclose(boxes[:, 0], 20 + np.arange(57))


def test_a_detector_that_fails_leaves_no_film_open(tmp_path, monkeypatch):
    films = []

    class Watched(Film):
        def __init__(self, *args):
            super().__init__(*args)
            films.append(self)

    class Broken(FindsDrawn):
        def __call__(self, frames):
            raise RuntimeError("no detector")

    path = write_film(
        tmp_path / "a.mkv", steady(25, 1), Portrait(lambda t: (32, 24, 28), size=(64, 48)), None
    )
    monkeypatch.setattr("s2vkit.data.preparation.cut.Film", Watched)
    with pytest.raises(RuntimeError, match="no detector"):
        cut_source(Source("a", path, {}, "train"), Cutting(size=16, min_face=12), Broken())
    assert films[0]._opened is None
