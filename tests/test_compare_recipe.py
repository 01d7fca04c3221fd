"""A comparison as a file: what is wrong with one, and what is laid over its recipes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers_cli import call
from helpers_compare import COMPARISON, write_comparison
from helpers_toy import REGISTRY

from s2vkit.errors import RecipeError
from s2vkit.recipe.comparison import load_comparison
from s2vkit.recipe.load import load_recipe
from s2vkit.recipe.merge import is_comparison


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds: [1, 2]", "seeds: [1, 1]", "table1.yaml:5:8: seeds: a seed is given twice"),
        ("seeds: [1, 2]", "seeds: []", "seeds"),
        ("ours: small.yaml", "ours: smal.yaml", "did you mean '.*small.yaml'"),
        ("ours: small.yaml", "our-s: small.yaml", "cannot be a system's name"),
        ("ours: small.yaml", "ours: 3", "expected a recipe's file"),
        ("title: no gradient", "titel: no gradient", "did you mean 'title'"),
        ("width: 8", "widht: 8", r"table1.yaml:13:15: generator.widht: unknown key 'widht'"),
        ("unseen:", "unsen:", "did you mean 'unseen'"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(tmp_path, old, new, said):
    assert old in COMPARISON
    path = write_comparison(tmp_path, COMPARISON.replace(old, new))
    with pytest.raises(RecipeError, match=said):
        load_comparison(path, (), REGISTRY)


def test_problems_of_all_recipes_are_reported_before_anything_runs(tmp_path):
    text = COMPARISON.replace("width: 8", "widht: 8").replace("gradient: null", "gradeint: null")
    with pytest.raises(RecipeError) as caught:
        load_comparison(write_comparison(tmp_path, text), (), REGISTRY)
    assert "generator.widht" in str(caught.value)
    assert "gradeint" in str(caught.value)
    assert not (tmp_path / "table").exists()


def test_sets_go_to_the_comparison_or_to_every_recipe(tmp_path):
    sets = ["seeds=[7]", "name=mine", "stages.compose.steps=3", "set.generator.width=12"]
    loaded = load_comparison(write_comparison(tmp_path), sets, REGISTRY)
    assert loaded.options.name == "mine"
    assert [run.seed for run in loaded.runs] == [7, 7]
    for run in loaded.runs:
        assert run.loaded.data["stages"]["compose"]["steps"] == 3
        assert run.loaded.data["generator"]["width"] == 12
        assert run.loaded.data["seed"] == 7
    with pytest.raises(RecipeError, match="a comparison has seeds"):
        load_comparison(write_comparison(tmp_path), ["seed=3"], REGISTRY)


def test_a_comparison_is_no_recipe_and_says_so(tmp_path):
    path = write_comparison(tmp_path)
    assert is_comparison(path)
    assert not is_comparison(tmp_path / "small.yaml")
    with pytest.raises(RecipeError, match="comparison of recipes, not a recipe"):
        load_recipe(path, (), REGISTRY)


def test_what_show_prints_of_a_comparison_is_that_comparison(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("s2vkit.plugins.registry", lambda: REGISTRY)
    path = write_comparison(tmp_path)
    again = tmp_path / "again.yaml"
    again.write_text(call(capsys, "show", path, "--set", "stages.compose.steps=3").out)
    first, second = (load_comparison(p, (), REGISTRY) for p in (path, again))
    assert [run.loaded.data for run in first.runs] == [run.loaded.data for run in second.runs]
    flat = second.runs[1].loaded.data["stages"]["compose"]["losses"]
    assert flat["gradient"] is None
    assert f"{tmp_path}/table/flat-2: {tmp_path}/small.yaml, seed 2" in again.read_text()
    assert "# set in every recipe: stages.compose.steps=3" in again.read_text()


ROOT = Path(__file__).parent.parent


def test_validate_and_show_know_the_comparisons_that_come_along(capsys):
    for name, runs in (("table1", "3 systems at 3 seeds, 9 runs"), ("table1_tiny", "3 systems at 2")):
        path = ROOT / "recipes" / f"{name}.yaml"
        called = call(capsys, "validate", path)
        assert called.code == 0, called.err
        assert runs in called.out
    shown = call(capsys, "show", ROOT / "recipes" / "table1.yaml")
    assert "runs/table1/ours-1236: " in shown.out
    assert call(capsys, "show", ROOT / "recipes" / "table1.yaml", "--graph").code == 2
    assert call(capsys, "run", ROOT / "recipes" / "table1.yaml", "--stage", "train_evaluators").code == 2


def test_all_three_systems_are_asked_by_the_same_evaluators():
    runs = load_comparison(ROOT / "recipes" / "table1.yaml").firsts()
    for key in ("data", "evaluators", "sync_evaluator"):
        assert len({json.dumps(run.loaded.data[key]) for run in runs}) == 1
    for stage in ("train_evaluators", "sync_evaluator", "evaluate"):
        assert len({json.dumps(run.loaded.data["stages"][stage]) for run in runs}) == 1
    composed = {run.system: run.loaded.data["stages"]["compose"] for run in runs}
    assert len({str(stage["average"]) for stage in composed.values()}) == 1
    assert all(stage["steps"] >= composed["ours"]["steps"] for stage in composed.values())
