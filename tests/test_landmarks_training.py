"""Landmarks that a run trains: the stage, what evaluates with them, and what else they leave as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers_toy import REGISTRY, load_toy, metrics, results_in, run_toy
from s2vkit_landmarks import LandmarksStageOptions, RegressedPointsOptions
from s2vkit_landmarks.markup import GROUPS
from s2vkit_landmarks.regressed import RegressedPoints
from s2vkit_landmarks.training import Found, TrainLandmarks, TruePoints
from s2vkit_landmarks.vary import vary

from s2vkit import Batch, DataSpec, Graph, InputError, RecipeError, Slot
from s2vkit.engine.log import read_log
from s2vkit.interfaces.data_parallel import Part, computing_on
from s2vkit.tensors import read_tensors
from s2vkit.videos.build import build_landmarks
from s2vkit.videos.networks import networks_of
from s2vkit.videos.protocol import load_protocol

STILL = {"rotation": 0.0, "scale": 0.0, "shift": 0.0, "colour": 0.0, "blur": 0.0, "noise": 0.0}
IN_A_RUN = """
landmarks: {use: regressed_points, channels: 4, input_size: 32}
stages:
  landmarks: {use: landmarks, steps: 40, batch: 8, validate_every: 40, optimizer: {use: adamw, lr: 1.0e-2}}
  evaluate:
    after: [compose, train_evaluators, landmarks]
    metrics: {head_motion: head_motion, lip_dynamics: lip_dynamics}
"""


def stage_options(**values) -> LandmarksStageOptions:
    optimizer = REGISTRY.get("optimizer", "adam")
    slot = Slot("optimizer", "adam", optimizer.options(lr=1e-3))
    return LandmarksStageOptions(optimizer=slot, **{**STILL, **values})


def small() -> RegressedPoints:
    torch.manual_seed(0)
    return RegressedPoints(RegressedPointsOptions(channels=4, input_size=32))


def stage_of(finder) -> TrainLandmarks:
    graph = Graph(DataSpec(32, 25.0, 16000, {}), None, make=None, landmarks=finder)
    return TrainLandmarks(stage_options(), graph=graph)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A toy run with landmarks of its own."""
    folder = tmp_path_factory.mktemp("landmarks")
    run_toy(folder, "data.truthless=[0, 5]", more=(IN_A_RUN,))
    return folder


# The network


def test_points_are_in_pixels_of_whatever_size_is_given():
    finder, frames = small().eval(), torch.rand(2, 3, 32, 32) * 2 - 1
    large = frames.repeat_interleave(2, 2).repeat_interleave(2, 3)
    with torch.no_grad():
        assert torch.allclose(2 * finder(frames), finder(large), atol=0.5)


# Varied frames


def dots(points: torch.Tensor, size: int = 64) -> torch.Tensor:
    """Draw a soft bright dot at the point of each image (N, 1, 2)."""
    at = torch.arange(size) + 0.5
    x, y = (points[:, 0, axis].view(-1, 1) for axis in (0, 1))
    dot = torch.exp(-((at - y) ** 2) / 8)[:, :, None] * torch.exp(-((at - x) ** 2) / 8)[:, None]
    return (2 * dot - 1).unsqueeze(1).expand(-1, 3, -1, -1)


def test_points_move_with_what_they_mark():
    torch.manual_seed(0)
    true = 20 + 24 * torch.rand(16, 1, 2)
    options = stage_options(rotation=30.0, scale=0.2, shift=0.1, blur=1.0)
    images, moved = vary(dots(true), true, options)
    weight = (images[:, 0] + 1).clamp(min=0.2) - 0.2
    at = torch.arange(64) + 0.5
    mass = weight.sum((1, 2))
    found = torch.stack([(weight.sum(1) * at).sum(1) / mass, (weight.sum(2) * at).sum(1) / mass], 1)
    assert (moved - true).norm(dim=2).mean() > 4
    assert (found - moved[:, 0]).norm(dim=1).max() < 0.5


def test_nothing_varies_where_nothing_is_asked():
    images, points = torch.rand(3, 3, 16, 16) * 2 - 1, 16 * torch.rand(3, 68, 2)
    same, stay = vary(images, points, stage_options())
    assert torch.allclose(same, images, atol=1e-5)
    assert torch.allclose(stay, points, atol=1e-4)


def test_each_process_varies_its_part_as_one_process_would():
    options = stage_options(rotation=30.0, shift=0.1, colour=0.3, blur=0.5, noise=0.2)
    images, points = torch.rand(4, 3, 16, 16), 16 * torch.rand(4, 68, 2)
    torch.manual_seed(3)
    whole = vary(images, points, options)
    for rank in (0, 1):
        own = slice(2 * rank, 2 * rank + 2)
        torch.manual_seed(3)
        with computing_on(Part(rank, 2)):
            part = vary(images[own], points[own], options)
        assert all(torch.allclose(a[own], b, atol=1e-6) for a, b in zip(whole, part, strict=True))


# The stage


def test_the_error_is_in_distances_of_the_eyes():
    true = torch.zeros(2, 68, 2)
    true[:, list(GROUPS["right_eye"]), 0] = 20.0
    found = true + torch.tensor([3.0, 4.0])
    stage = stage_of(small())
    assert float(stage._nme(Found(found, true))) == pytest.approx(5 / 20)
    assert float(stage.loss(Batch([]), Found(found, true))["points"]) == pytest.approx(7 / 20)


def test_a_frame_whose_points_are_unknown_teaches_nothing():
    frames, finder = torch.rand(2, 1, 3, 32, 32), small()
    stage, points = stage_of(finder), 32 * torch.rand(2, 1, 68, 2)
    points[1] = torch.nan
    batch = Batch(["known", "unknown"], data={"frames": frames, "points": points})
    shared = stage.shared_forward(batch)
    stage.loss(batch, shared)["points"].backward()
    assert all(bool(p.grad.isfinite().all()) for p in finder.parameters())
    only = Found(shared.points[:1].detach(), shared.true[:1])
    assert float(stage._nme(only)) == pytest.approx(float(stage._nme(shared).detach()))


def test_it_says_why_there_is_nothing_to_train():
    assert stage_of(small()).idle() == ""
    assert "no landmarks" in stage_of(None).idle()
    darkness = REGISTRY.get("landmarks", "darkness")
    assert "need no training" in stage_of(darkness.load()(darkness.options())).idle()


def test_a_corpus_without_points_is_told_and_what_to_do():
    class Store:
        folder, truths = "cache/corpus", {"mouth_aperture": np.zeros(4)}

    class Source:
        store = Store

    with pytest.raises(InputError, match="cache/corpus: the corpus holds no landmarks of 68") as caught:
        TruePoints().load(Source, None)
    assert "delete that folder" in caught.value.hint


# In a run


def test_a_run_learns_the_points_of_its_corpus(trained):
    log = read_log(trained / "run" / "stages" / "landmarks" / "log.jsonl")
    first, last = (np.mean([line["nme"] for line in part]) for part in (log[:3], log[-3:]))
    assert last < 0.5 * first
    assert log[-1]["val.nme"] < 0.5 * first


def test_it_evaluates_with_them_and_says_who_found_the_points(trained):
    found = metrics(trained)
    assert found["head_motion"]["n"] > 0
    assert "points by RegressedPoints, trained in the run" in found["head_motion"]["definition"]
    assert found["lip_dynamics"]["on_real"] > 0


def test_their_weights_are_the_runs_and_no_part_of_its_model(trained):
    kept = read_tensors(trained / "run" / "stages" / "landmarks" / "weights.safetensors")
    assert {name.split("/")[0] for name in kept} == {"landmarks"}
    model = read_tensors(trained / "run" / "model" / "model.safetensors")
    assert not any("landmarks" in name or "place.0" in name for name in model)


def test_videos_are_measured_by_those_of_a_run_alone(trained):
    finder = networks_of(trained / "run", REGISTRY).named()["landmarks"]
    kept = read_tensors(trained / "run" / "stages" / "landmarks" / "weights.safetensors")
    assert torch.equal(finder.place[0].weight, kept["landmarks/place.0.weight"])
    assert not finder.training
    protocol = load_protocol(None, ["landmarks=regressed_points"], {}, REGISTRY)
    with pytest.raises(InputError, match="'regressed_points' has no weights") as caught:
        build_landmarks(protocol, REGISTRY)
    assert "--networks RUN" in caught.value.hint


def test_they_leave_all_work_but_the_measuring_as_it_was(tmp_path):
    before, after = results_in(tmp_path), results_in(tmp_path, more=(IN_A_RUN,))
    assert {name for name in before if before[name] != after[name]} == {"evaluate"}
    assert set(after) - set(before) == {"landmarks"}


@pytest.mark.parametrize("change", ["landmarks.channels=8", "stages.landmarks.noise=0.2"])
def test_a_change_of_them_touches_only_what_measures_with_them(tmp_path, change):
    before, after = results_in(tmp_path, more=(IN_A_RUN,)), results_in(tmp_path, change, more=(IN_A_RUN,))
    assert {name for name in before if before[name] != after[name]} == {"landmarks", "evaluate"}


def test_without_a_stage_that_trains_them_a_recipe_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="no stage trains it") as caught:
        results_in(tmp_path, "landmarks={use: regressed_points, channels: 4}")
    assert "recipes/landmarks.yaml" in caught.value.hint


def test_a_corpus_that_draws_no_points_is_refused(tmp_path):
    with pytest.raises(RecipeError) as caught:
        load_toy(tmp_path, "data={use: folder, root: x}", "evaluators.mouth_aperture=null", more=(IN_A_RUN,))
    assert "has no true points to train landmarks 'regressed_points' on" in str(caught.value)
    assert "darkness, face_mesh" in str(caught.value)
