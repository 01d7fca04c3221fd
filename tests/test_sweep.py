"""Sweeps over values and seeds, and the list of runs."""

from __future__ import annotations

import io
import json

import pytest
from helpers_cli import call
from helpers_toy import REGISTRY, write_recipe
from rich.console import Console

from s2vkit.benchmark.sweep import show_sharing
from s2vkit.errors import RecipeError
from s2vkit.files import locked
from s2vkit.recipe.sweep import load_sweep
from s2vkit.runs.listing import list_runs


def swept(folder, *axes, output=None):
    return load_sweep(write_recipe(folder), axes, [], output, REGISTRY)


def test_a_sweep_is_the_product_of_its_values(tmp_path):
    sweep = swept(tmp_path, "audio_encoder=logmel,cpc", "students.identity.hidden=[16],[8,4]", "seed=1,2")
    assert len(sweep.runs) == 8
    assert {run.seed for run in sweep.runs} == {1, 2}
    last = sweep.runs[-1]
    assert last.title == "audio_encoder=cpc, students.identity.hidden=[8,4]"
    assert last.folder == tmp_path / "run-sweep" / "audio_encoder=cpc_hidden=_8_4-2"
    assert last.loaded.recipe.audio_encoder.use == "cpc"
    assert last.loaded.recipe.students["identity"].options.hidden == [8, 4]
    assert last.loaded.recipe.seed == 2
    assert len({run.folder for run in sweep.runs}) == 8


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("audio_encoder", "names no values"),
        ("seed=1,,2", "names no values"),
        ("seed=1,1", "names a value twice"),
        ("seed=x", "is not a seed"),
        ("audio_encoder=logmel,ear", "audio_encoder"),
    ],
)
def test_a_wrong_sweep_is_reported(tmp_path, axis, message):
    with pytest.raises(RecipeError, match=message):
        swept(tmp_path, axis)


def test_what_comes_out_the_same_is_trained_once(tmp_path):
    text = io.StringIO()
    sweep = swept(tmp_path, "stages.compose.steps=2,3")
    show_sharing(sweep, Console(file=text, width=240), REGISTRY)
    first, second = (line for line in text.getvalue().splitlines() if "compose.steps" in line)
    assert "train_teachers, train_evaluators, distill, pretrain_sync, pretrain_mouth, compose" in first
    assert "train_teachers from 1, train_evaluators from 1, distill from 1" in second
    assert not (tmp_path / "run-sweep").exists()


def write_run(folder, *, done=("a", "b"), note=None):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"format": 2, "versions": {"s2vkit": "0.1.0"}}))
    stages = [{"name": "a", "idle": ""}, {"name": "b", "idle": ""}, {"name": "c", "idle": "no reason"}]
    (folder / "graph.json").write_text(json.dumps({"stages": stages}))
    (folder / "metrics.json").write_text(json.dumps({"ssim": {"value": 0.5}, "fid": {"value": None}}))
    for name in done:
        (folder / "stages" / name).mkdir(parents=True)
        (folder / "stages" / name / "done.json").write_text("{}")
    if note:
        (folder / "warnings.jsonl").write_text(json.dumps({"text": note}) + "\n")


def test_runs_are_listed_with_their_state(tmp_path, capsys):
    write_run(tmp_path / "finished")
    write_run(tmp_path / "some" / "stopped", done=["a"])
    write_run(tmp_path / "failed", done=[], note="the run ended here: no room")
    write_run(tmp_path / "running", done=[])
    with locked(tmp_path / "running" / ".lock", wait=False):
        found = {run.path.name: run for run in list_runs(tmp_path)}
    assert {name: run.state for name, run in found.items()} == {n: n for n in found}
    assert (found["stopped"].done, found["stopped"].stages) == (1, 2)
    assert found["finished"].figures == {"ssim": 0.5}
    called = call(capsys, "runs", tmp_path)
    assert called.code == 0
    assert "ssim 0.5" in called.out
    assert "failed: no room" in called.out
    assert len(json.loads(call(capsys, "runs", tmp_path, "--json").out)) == 4
    assert call(capsys, "runs", tmp_path / "none").code == 4


def test_a_setting_needs_no_option_before_it(tmp_path, capsys):
    recipe = write_recipe(tmp_path)
    called = call(capsys, "run", recipe, "sead=3")
    assert called.code == 3
    assert "sead" in called.err
    called = call(capsys, "run", recipe, "seed")
    assert called.code == 2
    assert "'seed' sets nothing" in called.err
