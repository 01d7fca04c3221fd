"""`s2vkit new-plugin`: what it writes works at once, and nothing is overwritten."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest
from helpers_cli import RECIPES, call, start
from helpers_outside import install

from s2vkit.cli.new_plugin import SHAPES, plugin_files
from s2vkit.options import KINDS


def test_it_knows_every_kind():
    assert tuple(SHAPES) == KINDS


def test_it_writes_a_whole_distribution(capsys, tmp_path):
    folder = tmp_path / "new one"
    called = call(capsys, "new-plugin", "my-eyes", "--output", folder)
    assert (called.code, called.err) == (0, "")
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert files == [
        "README.md",
        "pyproject.toml",
        "s2vkit_my_eyes/__init__.py",
        "s2vkit_my_eyes/part.py",
        "tests/test_my_eyes.py",
    ]
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["s2vkit.plugins"] == {"my_eyes": "s2vkit_my_eyes"}
    assert 'check_component("teacher", "my_eyes")' in (folder / files[-1]).read_text()
    assert "class MyEyes(Teacher)" in (folder / "s2vkit_my_eyes/part.py").read_text()


def test_it_overwrites_nothing(capsys, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    called = call(capsys, "new-plugin", "my_eyes", "--output", tmp_path)
    assert called.code == 4
    assert "is there already; nothing was written" in called.err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    called = call(capsys, "new-plugin", "my_eyes", "--output", tmp_path / "mine.txt")
    assert called.code in (2, 4)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["My_Eyes", "1eye", "eye__s", "class", "../eye", "", "eye.s"])
def test_a_name_that_is_none_is_refused(capsys, tmp_path, name):
    called = call(capsys, "new-plugin", name, "--output", tmp_path / "x")
    assert called.code == 2
    assert "is not a name" in called.err
    assert not (tmp_path / "x").exists()


def test_a_taken_name_is_refused_with_its_owner(capsys, tmp_path):
    called = call(capsys, "new-plugin", "vggface", "--output", tmp_path / "x")
    assert called.code == 2
    assert "teacher 'vggface' belongs to s2vkit" in called.err


@pytest.mark.parametrize("kind", KINDS)
def test_registration_is_light_and_lines_are_short(kind):
    files = plugin_files("brand_new", kind)
    tree = ast.parse(files["s2vkit_brand_new/__init__.py"])
    modules = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert modules == ["__future__", "s2vkit"]
    for path, text in files.items():
        assert "$" not in text.replace("${", "") or path == "README.md", path
        assert max(map(len, text.splitlines())) <= 100, path
        if path.endswith(".py"):
            compile(text, path, "exec")


def test_what_is_written_passes_its_own_test_when_installed(tmp_path):
    """All kinds, installed from their wheels into one environment."""
    for kind in KINDS:
        for path, text in plugin_files(f"new_{kind}", kind).items():
            file = tmp_path / kind / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    env = install([tmp_path / kind for kind in KINDS], tmp_path / "site", tmp_path / "wheels")
    tests = [tmp_path / kind / "tests" / f"test_new_{kind}.py" for kind in KINDS]
    program = "import sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))"
    called = start("-W", "error", "-p", "no:cacheprovider", *tests, env=env, call=program)
    assert called.code == 0, called.out
    assert f"{len(KINDS)} passed" in called.out
    listed = json.loads(start("list-components", "--json", env=env).out)
    owners = [c["owner"] for c in listed["components"] if c["name"].startswith("new_")]
    assert len(owners) == len(KINDS)
    assert all(owner.startswith("s2vkit-new-") for owner in owners)
    recipes = [_recipe_of_the_readme(tmp_path, kind) for kind in KINDS]
    checked = start("validate", *recipes, env=env)
    assert checked.code == 0, checked.err


def _recipe_of_the_readme(folder: Path, kind: str) -> Path:
    """Write the README's example as a whole recipe, on top of the default one."""
    (example,) = re.findall(r"```yaml\n(.*?)```", (folder / kind / "README.md").read_text(), re.DOTALL)
    assert f"new_{kind}" in example
    path = folder / f"{kind}.yaml"
    path.write_text(f"extends: {RECIPES}/speech2video.yaml\n{example}")
    return path
