"""The registry: what it refuses, what it suggests, and what it holds today."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s2vkit import Options, PluginError
from s2vkit.options import KINDS
from s2vkit.plugins import registry
from s2vkit.registry import Collector, Command, Entry, Failure, Registry, nearest, plural

FROZEN = Path(__file__).parent / "registry.txt"


def entry(name, kind="teacher", owner="a 1 (a)") -> Entry:
    return Entry(kind, name, "mod:Attr", Options, owner)


# What it holds


def test_the_contents_are_those_of_the_frozen_file():
    """Regenerate after a wanted change: S2VKIT_REGENERATE=1 pytest tests/test_registry.py."""
    lines = [f"{e.kind} {e.name}" for e in registry().of_kind() if e.owner.startswith("s2vkit ")]
    text = "\n".join(lines) + "\n"
    if os.environ.get("S2VKIT_REGENERATE") == "1":
        FROZEN.write_text(text)
    assert text == FROZEN.read_text()


def test_every_kind_has_a_component():
    assert [kind for kind in KINDS if not registry().names(kind)] == []


def test_every_component_says_what_it_is_and_where_it_is_from():
    for e in registry().of_kind():
        assert e.summary, e
        assert "\n" not in e.summary
        assert len(e.summary) <= 100, e
        assert e.target.split(":")[0].split(".")[0].startswith("s2vkit_"), e


# Names


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("vggfase", "vggface"),
        ("frame-decoder", "frame_decoder"),
        ("Frame_Decoder", "frame_decoder"),
        ("zzz", None),
        ("", None),
    ],
)
def test_nearest_name(word, near):
    assert nearest(word, ["vggface", "frame_decoder"]) == near


def test_an_unknown_name_is_answered_with_names_and_failures():
    held = Registry()
    held.add_all([entry("vggface"), entry("l1", "loss")], [])
    held.failures = [Failure(f"x{i} 1 (x)", "E: no") for i in range(5)]
    with pytest.raises(PluginError) as caught:
        held.get("teacher", "vgface")
    text = str(caught.value)
    assert "unknown teacher 'vgface'" in text
    assert "did you mean 'vggface'? known teachers: vggface" in text
    assert "plugin x0 1 (x) failed to load and may hold it: E: no" in text
    assert "so did 2 more" in text
    assert "no student is installed" in held.hint("student", "mlp")
    assert "known losses: l1" in held.hint("loss", "l2")


def test_plurals():
    assert [plural("loss"), plural("teacher")] == ["losses", "teachers"]


def test_entries_come_in_the_order_of_kinds_then_names():
    held = Registry()
    held.add_all([entry("b"), entry("z", "audio_encoder"), entry("a")], [])
    assert [(e.kind, e.name) for e in held.of_kind()] == [
        ("audio_encoder", "z"),
        ("teacher", "a"),
        ("teacher", "b"),
    ]
    assert [e.name for e in held.of_kind("teacher")] == ["a", "b"] == held.names("teacher")


# Refusals


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("techer", "x", "a:B"), "unknown kind 'techer'"),
        (("teacher", "CamelCase", "a:B"), "not lower_snake"),
        (("teacher", "da-sh", "a:B"), "not lower_snake"),
        (("teacher", "two__", "a:B"), "not lower_snake"),
        (("teacher", "x", "a.B"), "not 'module:attr'"),
        (("teacher", "x", "a:B()"), "not 'module:attr'"),
        (("teacher", "x", "a:B", dict), "must be a subclass of s2vkit.Options"),
        (("teacher", "x", "a:B", {"lr": 1}), "must be a subclass of s2vkit.Options"),
    ],
)
def test_the_collector_refuses(arguments, said):
    with pytest.raises(PluginError) as caught:
        Collector("a 1 (a)").register(*arguments)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Hello", "a:b"), "not lower-case-with-dashes"),
        (("hel_lo", "a:b"), "not lower-case-with-dashes"),
        (("hello", "a.b"), "not 'module:attr'"),
        (("run", "a:b"), "command 'run' is claimed by a 1 (a) but belongs to s2vkit"),
    ],
)
def test_the_collector_refuses_commands(arguments, said):
    with pytest.raises(PluginError) as caught:
        Collector("a 1 (a)").register_command(*arguments, "summary")
    assert said in str(caught.value)


def test_a_second_owner_is_refused_and_nothing_of_it_stays():
    held = Registry()
    held.add_all([entry("one")], [Command("hi", "a:b", "", "a 1 (a)")])
    before = (dict(held.entries), dict(held.commands))
    with pytest.raises(PluginError, match=r"'one' is claimed by b 2 \(b\) but belongs to a 1"):
        held.add_all([entry("free", owner="b 2 (b)"), entry("one", owner="b 2 (b)")], [])
    with pytest.raises(PluginError, match="command 'hi' is claimed by b"):
        held.add_all([entry("free", owner="b 2 (b)")], [Command("hi", "c:d", "", "b 2 (b)")])
    with pytest.raises(PluginError, match="'twice' is claimed by a"):
        held.add_all([entry("twice"), entry("twice")], [])
    assert (held.entries, held.commands) == before


def test_the_same_name_may_serve_two_kinds():
    held = Registry()
    held.add_all([entry("same"), entry("same", "student")], [])
    assert held.get("student", "same").kind == "student"


def test_a_component_that_cannot_be_imported_keeps_its_cause():
    with pytest.raises(PluginError) as caught:
        Entry("teacher", "x", "no_such_module_at_all:X", Options, "a 1 (a)").load()
    assert "teacher 'x' of a 1 (a) cannot be loaded from 'no_such_module_at_all:X'" in str(caught.value)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    with pytest.raises(PluginError, match="AttributeError"):
        Entry("teacher", "x", "json:nothing", Options, "a 1 (a)").load()
