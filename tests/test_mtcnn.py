"""The detector mtcnn, and cutting with it; on real clips where a folder of them is given."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from helpers_media import real_folder

from s2vkit import ResourceError
from s2vkit.data.preparation.cut import Cutting, Rejected, cut_source
from s2vkit.interfaces.dataset import Source
from s2vkit.plugins import registry


def build(**options):
    entry = registry().get("face_detector", "mtcnn")
    return entry.load()(entry.options(**options))


@pytest.fixture(scope="module")
def eyes():
    pytest.importorskip("facenet_pytorch")
    return build()


@pytest.mark.parametrize("shape", [(2, 30, 20, 3), (1, 300, 17, 3), (0, 64, 64, 3), (3, 90, 120, 3)])
def test_pictures_of_any_size_are_looked_at(eyes, shape):
    pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    found = eyes(pictures)
    assert len(found) == shape[0]
    for faces in found:
        assert faces.landmarks.shape == (len(faces.boxes), 5, 2)


def test_a_flat_picture_holds_no_face(eyes):
    (faces,) = eyes(np.full((1, 100, 100, 3), 128, np.uint8))
    assert faces.boxes.shape == (0, 4)


def test_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "facenet_pytorch", None)
    with pytest.raises(ResourceError, match=r"needs the package facenet-pytorch") as told:
        build()
    assert "pip install 's2vkit[faces]'" in str(told.value)


def test_real_speakers_are_cut_upright_and_centred(eyes):
    folder = real_folder()
    for path in sorted([*folder.glob("grid/b*.mpg"), *folder.glob("voxceleb2_style/0008*.mp4")]):
        (clip,) = cut_source(Source("a", path, {}, "train"), Cutting(), eyes).clips
        marks = [faces.landmarks[0] for faces in eyes(clip.frames[::20]) if len(faces.boxes)]
        assert len(marks) >= 0.9 * len(clip.frames[::20])
        eye_line = np.array([m[1] - m[0] for m in marks]).mean(0)
        assert abs(np.rad2deg(np.arctan2(eye_line[1], eye_line[0]))) < 8
        middle = np.array([m.mean(0) for m in marks])
        assert np.abs(middle.mean(0) - [64, 64]).max() < 14


@pytest.mark.parametrize(("name", "reason"), [("no_audio_track.mp4", "no_sound_track")])
def test_awkward_real_files_are_set_aside(eyes, name, reason):
    path = real_folder() / "awkward" / name
    with pytest.raises(Rejected) as told:
        cut_source(Source("a", path, {}, "train"), Cutting(), eyes)
    assert told.value.reason == reason
