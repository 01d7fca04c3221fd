"""Recipes of the package, their JSON schema, and a recipe explained key by key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from helpers_cli import call

from s2vkit.plugins import registry
from s2vkit.recipe.comparison import load_comparison
from s2vkit.recipe.json_schema import recipe_schema
from s2vkit.recipe.load import load_recipe
from s2vkit.recipe.shipped import copy_shipped, find_shipped, shipped_recipes

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "recipes").rglob("*.yaml"))


@pytest.fixture(scope="module")
def validator():
    schema = recipe_schema(registry())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_every_recipe_of_the_repository_is_listed_with_a_summary():
    listed = shipped_recipes()
    assert {r.path.resolve() for r in listed} == {path.resolve() for path in FILES}
    assert [r.name for r in listed if not r.summary.endswith((".", ":"))] == []  # whole sentences


def test_a_copied_recipe_resolves_to_the_same_as_the_original(tmp_path):
    files = copy_shipped("ablations/hinge", tmp_path)
    assert [f.relative_to(tmp_path).as_posix() for f in files] == [
        "ablations/hinge.yaml",
        "speech2video.yaml",
    ]
    original = find_shipped("ablations/hinge")
    assert original is not None
    assert load_recipe(files[0]).data == load_recipe(original).data


def test_a_comparison_is_copied_with_its_systems(tmp_path):
    names = {path.relative_to(tmp_path).as_posix() for path in copy_shipped("table1", tmp_path)}
    recipes = {"sdfa.yaml", "s2f_sdfa.yaml", "ablations/no_structure.yaml", "speech2video.yaml"}
    assert names == {"table1.yaml", *recipes}
    assert load_comparison(tmp_path / "table1.yaml").runs


def test_the_commands_list_copy_and_never_overwrite(capsys, tmp_path):
    assert "speech2video_128" in call(capsys, "recipes").out
    assert {row["name"] for row in json.loads(call(capsys, "recipes", "--json").out)} >= {"tiny"}
    assert call(capsys, "recipes", "copy", "tiny", tmp_path).code == 0
    assert (tmp_path / "tiny.yaml").is_file()
    again = call(capsys, "recipes", "copy", "tiny", tmp_path)
    assert again.code == 4
    assert "--force" in again.err
    unknown = call(capsys, "recipes", "copy", "nonsense", tmp_path)
    assert unknown.code == 4
    assert "speech2video" in unknown.err


def test_a_recipe_of_the_package_is_found_by_its_name(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(capsys, "validate", "tiny").code == 0
    assert call(capsys, "validate", "ablations/hinge").code == 0
    assert call(capsys, "validate", "no_such_recipe").code == 3


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_recipe_fits_the_schema(path, validator):
    assert [e.message for e in validator.iter_errors(yaml.safe_load(path.read_text()))] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"teachers": {"identity": "vgg_fase"}},
        {"generator": {"use": "frame_decoder", "widht": 3}},
        {"seed": "one"},
        {"sed": 1},
        {"stages": {"compose": {"use": "adversarial", "steps": 0}}},
    ],
    ids=["component", "option", "type", "key", "limit"],
)
def test_the_schema_refuses_what_is_wrong(wrong, validator):
    assert not validator.is_valid(wrong)


def test_the_schema_is_printed_and_written(capsys, tmp_path):
    printed = call(capsys, "schema")
    assert json.loads(printed.out)["title"] == "s2vkit recipe"
    call(capsys, "schema", "-o", tmp_path / "s.json")
    assert (tmp_path / "s.json").read_text() == printed.out


def test_an_explained_recipe_is_the_same_recipe_with_every_key_described(capsys, tmp_path):
    explained = call(capsys, "show", ROOT / "recipes" / "tiny.yaml", "--explain").out
    path = tmp_path / "explained.yaml"
    path.write_text(explained)
    assert load_recipe(path).data == load_recipe(ROOT / "recipes" / "tiny.yaml").data
    lines = explained.splitlines()
    keys = [i for i, line in enumerate(lines) if not line.lstrip().startswith(("#", "use:"))]
    undescribed = [lines[i] for i in keys if i == 0 or not lines[i - 1].lstrip().startswith("#")]
    # names of mappings of slots
    names = {"identity", "emotion", "frame", "sync", "mouth_aperture", "generator", "mouth", "structure"}
    stages = set(load_recipe(path).recipe.stages)
    metrics = {"identity_accuracy", "emotion_accuracy", "mouth_aperture_correlation", "ssim", "psnr"}
    metrics |= {"mouth_movement", "face_sharpness", "mouth_sharpness"}
    assert {line.strip().rstrip(":") for line in undescribed} <= names | stages | metrics


def test_the_package_runs_as_a_module():
    called = subprocess.run([sys.executable, "-m", "s2vkit", "--version"], capture_output=True, text=True)
    assert called.returncode == 0
    assert called.stdout.startswith("s2vkit ")
