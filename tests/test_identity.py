"""One identity of a stage: what its options' roles say, and training that goes on from where it was."""

from __future__ import annotations

import ast
import os
import shutil
from pathlib import Path

import pytest
import torch
from helpers_toy import REGISTRY, done_when, load_toy, results, run_toy

from s2vkit.build import Builder
from s2vkit.engine import run as run_module
from s2vkit.engine.checkpoint import step_of
from s2vkit.errors import RunFolderError, TrainingError
from s2vkit.files import atomic_folder, read_json, write_json, write_text
from s2vkit.options import OptimizerOptions, StageOptions, role_of
from s2vkit.runs.segments import Segment, extended, schedule_of

pytestmark = pytest.mark.usefixtures("no_curves")
LR = "stages.train_teachers.optimizer.lr"


def teachers(folder, *sets, quiet=True):
    """Run the stage `train_teachers` of the toy alone; give what was printed."""
    return run_toy(folder, *sets, stages=["train_teachers"], quiet=quiet)


def stage_of(folder):
    return folder / "run" / "stages" / "train_teachers"


def done_of(folder):
    return read_json(stage_of(folder) / "done.json")


def bounds(folder):
    return [(s["start"], s["end"]) for s in done_of(folder)["segments"]]


# Roles


def test_every_option_of_the_schedule_and_of_the_watching_says_so():
    roles = {name: role_of(field) for name, field in OptimizerOptions.model_fields.items()}
    assert set(roles.values()) == {"schedule"}
    assert role_of(StageOptions.model_fields["steps"]) == "schedule"
    assert role_of(StageOptions.model_fields["batch"]) == "result"
    stages = {e.name: e.options.model_fields for e in REGISTRY.of_kind("stage")}
    for stage, name in (
        ("adversarial", "samples"),
        ("adversarial", "collapse"),
        ("distill", "validate_every"),
    ):
        assert role_of(stages[stage][name]) == "monitor"


def test_a_schedule_holds_what_a_rate_follows_from_and_no_more(tmp_path):
    def schedule(*sets):
        chosen = [f"stages.train_teachers.optimizer.{one}" for one in sets]
        return schedule_of(load_toy(tmp_path, *chosen).recipe.stages["train_teachers"].options)

    constant = schedule("schedule=constant", "final=0.5")
    assert constant == schedule("schedule=constant", "final=0.1", "every=3", "decay=0.2")
    assert "steps" not in constant
    cosine = schedule("schedule=cosine", "final=0.5")
    assert cosine["steps"] == 4
    assert cosine != schedule("schedule=cosine", "final=0.1")


def test_segments_with_one_schedule_are_one():
    one, other = {"optimizer.lr": 1}, {"optimizer.lr": 2}
    assert extended([Segment(0, 5, one)], 5, 9, one) == [Segment(0, 9, one)]
    assert extended([Segment(0, 5, one)], 3, 9, other) == [Segment(0, 3, one), Segment(3, 9, other)]
    assert extended([Segment(0, 3, one), Segment(3, 5, other)], 2, 9, one) == [Segment(0, 9, one)]


# Going on


def test_more_steps_at_a_constant_rate_are_one_longer_run(tmp_path):
    constant = "stages.train_teachers.optimizer={use: rmsprop, lr: 0.001}"
    teachers(tmp_path / "two", constant, "stages.train_teachers.steps=3")
    longer = teachers(tmp_path / "two", constant, "stages.train_teachers.steps=6", quiet=False)
    assert "goes on from step 3" in longer
    teachers(tmp_path / "one", constant, "stages.train_teachers.steps=6")
    two, one = done_of(tmp_path / "two"), done_of(tmp_path / "one")
    assert two["segments"] == one["segments"]
    assert two["result"] == one["result"]
    weights = [(stage_of(tmp_path / name) / "weights.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]


def test_a_schedule_that_depends_on_the_length_is_recorded_as_it_was(tmp_path):
    cosine = "stages.train_teachers.optimizer.schedule=cosine"
    teachers(tmp_path, cosine, "stages.train_teachers.steps=3")
    teachers(tmp_path, cosine, "stages.train_teachers.steps=6")
    assert bounds(tmp_path) == [(0, 3), (3, 6)]
    assert [s["schedule"]["steps"] for s in done_of(tmp_path)["segments"]] == [3, 6]


def test_after_a_nan_a_lower_rate_goes_on_from_the_last_good_checkpoint(tmp_path, monkeypatch):
    from s2vkit_stages.classify import Classify

    loss = Classify.loss

    def lost(stage, *how):
        terms = loss(stage, *how)
        rate = stage.options.optimizer.options.lr
        lost.calls += 1
        return {k: v * torch.nan if rate > 0.5 and lost.calls > 3 else v for k, v in terms.items()}

    lost.calls = 0
    monkeypatch.setattr(Classify, "loss", lost)
    few = ("checkpoint_seconds=1e-9", "stages.train_teachers.steps=6")
    with pytest.raises(TrainingError, match="no longer a number") as caught:
        run_toy(tmp_path, *few, f"{LR}=0.6", stages=["train_teachers"], quiet=True)
    assert "lower a learning rate and run again" in caught.value.hint
    at = step_of(stage_of(tmp_path) / "checkpoint")
    assert at == 3
    run_toy(tmp_path, *few, f"{LR}=0.001", stages=["train_teachers"], quiet=True)
    assert bounds(tmp_path) == [(0, at), (at, 6)]
    assert [s["schedule"]["optimizer.lr"] for s in done_of(tmp_path)["segments"]] == [0.6, 0.001]


def test_a_schedule_without_steps_left_begins_anew_and_the_plan_says_so(tmp_path):
    teachers(tmp_path)
    said = teachers(tmp_path, f"{LR}=0.123", quiet=False)
    assert "another schedule, and all 4 steps are trained, so it starts again" in " ".join(said.split())
    assert bounds(tmp_path) == [(0, 4)]
    said = teachers(tmp_path, f"{LR}=0.123", "stages.train_teachers.steps=2", quiet=False)
    assert "fewer steps than the 4 trained, so it starts again" in " ".join(said.split())
    assert bounds(tmp_path) == [(0, 2)]


def test_more_steps_without_a_checkpoint_begin_anew_and_the_plan_says_so(tmp_path):
    teachers(tmp_path)
    shutil.rmtree(stage_of(tmp_path) / "checkpoint")
    said = teachers(tmp_path, "stages.train_teachers.steps=6", quiet=False)
    assert "no checkpoint to resume from" in " ".join(said.split())


def test_the_plan_says_that_a_stage_was_computed_otherwise_before(tmp_path):
    teachers(tmp_path)
    said = teachers(tmp_path, "compute.precision=bf16", quiet=False)
    assert "computed on cpu in fp32 before, so again" in " ".join(said.split())


@pytest.mark.parametrize("told", [True, False], ids=["as it is", "of a version that did not tell"])
def test_a_run_that_moves_to_another_processor_keeps_its_precision(tmp_path, monkeypatch, told):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    teachers(tmp_path, "compute.precision=auto")
    about = read_json(tmp_path / "run" / "run.json")
    assert about["precision"] == {"cpu": "fp32"}
    if not told:
        del about["precision"]
        write_json(tmp_path / "run" / "run.json", about)
    before = done_of(tmp_path)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    teachers(tmp_path, "compute.precision=auto")
    assert done_of(tmp_path) == before
    assert read_json(tmp_path / "run" / "run.json")["computed_on"].startswith("cpu (fp32")


# Running nothing again


def test_what_only_watches_reruns_nothing(tmp_path):
    run_toy(tmp_path)
    before, kept = done_when(tmp_path), results(tmp_path)
    run_toy(tmp_path, "stages.compose.samples=2", "stages.distill.validate_every=3", "checkpoint_seconds=9")
    assert done_when(tmp_path) == before
    assert results(tmp_path) == kept


def test_a_run_of_another_format_is_refused_with_one_message(tmp_path):
    teachers(tmp_path)
    about = read_json(tmp_path / "run" / "run.json")
    write_json(tmp_path / "run" / "run.json", {**about, "format": 1})
    with pytest.raises(RunFolderError, match="written by another version of s2vkit \\(format 1") as caught:
        teachers(tmp_path)
    assert "run the recipe again" in caught.value.hint


def test_the_graph_is_built_once_a_run(tmp_path, monkeypatch):
    built, graph = [], Builder.graph
    monkeypatch.setattr(Builder, "graph", lambda self, *how: built.append(1) or graph(self, *how))
    teachers(tmp_path)
    assert len(built) == 1


@pytest.mark.skipif(os.name == "nt", reason="folders cannot be opened there")
def test_a_rename_is_brought_to_the_disk_with_its_folder(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def watched(descriptor):
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_text(tmp_path / "a" / "file", "text")
    assert synced[-1] == (tmp_path / "a").stat().st_ino
    with atomic_folder(tmp_path / "b" / "folder") as part:
        (part / "file").write_text("text")
    assert synced[-1] == (tmp_path / "b").stat().st_ino
    assert (tmp_path / "b" / "folder").stat().st_ino in synced


def test_running_a_recipe_is_a_short_module():
    tree = ast.parse(Path(run_module.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert len({name for name in imported if name.startswith("s2vkit")}) <= 15
