"""Plugins from outside, in an environment of their own: found, used, refused, survived."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import pytest
from helpers_cli import RECIPES, call, complete, start
from helpers_outside import OUTSIDE, install

from s2vkit import plugins
from s2vkit.registry import Registry


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """The environment with three distributions from outside: good, broken, claiming."""
    folders = [OUTSIDE / name for name in ("s2vkit_outside", "s2vkit_broken", "s2vkit_claimer")]
    return install(folders, tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def listing(outside):
    called = start("list-components", "--json", env=outside)
    assert called.code == 0, called.err
    return json.loads(called.out)


def failure(listing, owner):
    return next(f["error"] for f in listing["failures"] if f["owner"].startswith(owner))


def test_a_plugin_from_outside_is_listed_with_its_owner(listing):
    found = next(c for c in listing["components"] if c["name"] == "tiny_outside")
    assert found["kind"] == "teacher"
    assert found["owner"] == "s2vkit-outside 0.1.0 (tiny)"
    assert found["gives"] == ["embedding", "maps"]


def test_it_is_absent_where_it_is_not_installed(capsys):
    assert "tiny_outside" not in call(capsys, "list-components").out


def test_a_recipe_may_use_it_with_one_word(outside, tmp_path, capsys):
    recipe = tmp_path / "outside.yaml"
    recipe.write_text(
        f"extends: {RECIPES / 'tiny.yaml'}\nteachers:\n  identity: {{use: tiny_outside, dim: 24}}\n"
    )
    called = start("validate", recipe, env=outside)
    assert (called.code, called.err) == (0, "")
    without = call(capsys, "validate", recipe)
    assert without.code == 3
    assert "unknown teacher 'tiny_outside'" in without.err


def test_a_recipe_that_wants_what_broke_is_told_why(outside, tmp_path):
    recipe = tmp_path / "broken.yaml"
    recipe.write_text(f"extends: {RECIPES / 'tiny.yaml'}\ngenerator: {{use: lost_in_it}}\n")
    called = start("validate", recipe, env=outside)
    assert called.code == 3
    assert "unknown generator 'lost_in_it'" in called.err
    assert "s2vkit-broken 0.2.0 (broken) failed to load and may hold it" in called.err


def test_a_broken_plugin_is_shown_with_owner_and_error_and_breaks_nothing(listing, outside):
    assert failure(listing, "s2vkit-broken") == "RuntimeError: the broken plugin is broken"
    ours = [c["name"] for c in listing["components"] if c["owner"].startswith("s2vkit 0")]
    assert {"vggface", "cpc", "distill"} <= set(ours)
    table = start("list-components", env=outside).out
    assert "s2vkit-broken 0.2.0 (broken): RuntimeError: the broken plugin is broken" in table


def test_a_claimer_of_our_name_is_refused_and_both_owners_are_named(listing):
    assert failure(listing, "s2vkit-claimer") == (
        "teacher 'vggface' is claimed by s2vkit-claimer 0.2.0 (claimer) but belongs to s2vkit 0.1.0 (vggface)"
    )
    names = [c["name"] for c in listing["components"] if c["kind"] == "teacher"]
    assert names.count("vggface") == 1
    assert "claimed_free" not in names  # all of a plugin, or nothing


def test_its_component_is_built_by_its_own_code(outside):
    program = (
        "import torch\nfrom s2vkit.plugins import registry\n"
        "entry = registry().get('teacher', 'tiny_outside')\n"
        "made = entry.load()(entry.options(dim=24), size=32, labels=('a', 'b'))\n"
        "print(tuple(made(torch.zeros(2, 3, 32, 32)).shape), made.map_shapes)"
    )
    called = start(env=outside, call=program)
    assert called.out == "(2, 24) [(16, 8, 8), (8, 16, 16)]\n", called.err


def test_its_command_is_one_of_ours_in_help_completion_and_call(outside):
    assert "Greet from outside. [s2vkit-outside 0.1.0 (tiny)]" in " ".join(
        start("--help", env=outside).out.split()
    )
    assert start("hello", "--loud", env=outside).out == "HELLO\n"
    assert complete("hel", env=outside).split() == ["plain,hello"]


def test_a_command_that_cannot_be_imported_says_whose_it_is(outside):
    called = start("lost", env=outside)
    assert called.code == 3
    assert "command 'lost' of s2vkit-outside 0.1.0 (tiny) cannot be loaded" in called.err
    assert "s2vkit_outside.nowhere" in called.err


def test_doctor_names_the_plugins_and_the_failures(outside):
    found = json.loads(start("doctor", "--json", env=outside).out)
    assert found["plugins"]["tiny"] == "s2vkit-outside 0.1.0 (tiny)"
    assert any("s2vkit-broken" in f["owner"] for f in found["failures"])


# Loading, without a distribution


def loaded(tmp_path, monkeypatch, name, text) -> Registry:
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return plugins.load([EntryPoint(name, name, plugins.ENTRY_POINT_GROUP)])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("silent", "x = 1\n", "registers no component and no command"),
        ("leaving", "import sys\nsys.exit(3)\n", "SystemExit: 3"),
        (
            "misnamed",
            "from s2vkit import hookimpl\n@hookimpl\ndef s2vkit_regster(register): pass\n",
            "unknown hook 's2vkit_regster'",
        ),
        (
            "asking",
            "from s2vkit import hookimpl\n@hookimpl\ndef s2vkit_register(register, more): pass\n",
            "more",
        ),
        (
            "halfway",
            "from s2vkit import hookimpl\n@hookimpl\ndef s2vkit_register(register):\n"
            "    register('teacher', 'first', 'a:B')\n    raise ValueError('then it broke')\n",
            "ValueError: then it broke",
        ),
    ],
)
def test_whatever_a_plugin_does_is_its_own_failure(tmp_path, monkeypatch, name, text, said):
    filled = loaded(tmp_path, monkeypatch, f"plugin_{name}", text)
    assert filled.entries == {}
    assert filled.commands == {}
    assert said in filled.failures[0].error
    assert filled.failures[0].owner == f"? ? (plugin_{name})"


def test_ours_come_first_whatever_the_names():
    registry = plugins.registry()
    assert registry.owners["vggface"].startswith("s2vkit ")
    assert [f for f in registry.failures if f.owner.startswith("s2vkit ")] == []
