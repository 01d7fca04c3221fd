"""Every hook is exercised here, and the guide for authors names it with its arguments."""

from __future__ import annotations

import inspect
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from s2vkit import hookimpl, hookspecs, plugins
from s2vkit.options import Options

GUIDE = Path(__file__).parent.parent / "docs" / "plugins.md"
HOOKS = {
    name: function
    for name, function in vars(hookspecs).items()
    if hasattr(function, f"{hookspecs.PROJECT}_spec")
}


class OneOption(Options):
    pass


def load_with(monkeypatch, **hooks):
    plugin = types.ModuleType("hooked")
    for name, function in hooks.items():
        setattr(plugin, name, hookimpl(function))
    monkeypatch.setitem(__import__("sys").modules, "hooked", plugin)
    return plugins.load([EntryPoint("hooked", "hooked", hookspecs.ENTRY_POINT_GROUP)])


def test_s2vkit_register(monkeypatch):
    def s2vkit_register(register):
        register(
            "teacher",
            "one",
            "hooked:One",
            OneOption,
            gives=("embedding",),
            wants=("x",),
            summary="s",
            reference="r",
        )
        register("student", "plain", "hooked:Plain")

    filled = load_with(monkeypatch, s2vkit_register=s2vkit_register)
    assert filled.failures == []
    one = filled.get("teacher", "one")
    assert (one.options, one.gives, one.wants) == (OneOption, ("embedding",), ("x",))
    assert (one.summary, one.reference, one.owner) == ("s", "r", "? ? (hooked)")
    assert filled.get("student", "plain").options is Options


def test_s2vkit_commands(monkeypatch):
    def s2vkit_commands(register):
        register("say-hi", "hooked:hi", "Say hi.")

    filled = load_with(monkeypatch, s2vkit_commands=s2vkit_commands)
    assert filled.failures == []
    command = filled.commands["say-hi"]
    assert (command.target, command.summary) == ("hooked:hi", "Say hi.")


def test_every_hook_has_a_test():
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_s2vkit_")}
    assert tests == set(HOOKS)
    assert HOOKS


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_the_guide_names_the_hook_with_its_arguments(name):
    arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"{name}({arguments})" in GUIDE.read_text()


@pytest.mark.parametrize("callback", [hookspecs.Register, hookspecs.RegisterCommand])
def test_the_guide_names_what_the_callbacks_take(callback):
    guide = GUIDE.read_text()
    for argument in list(inspect.signature(callback.__call__).parameters)[1:]:
        assert f"`{argument}`" in guide, argument


def test_the_protocols_are_what_is_handed_over():
    from s2vkit.registry import Collector

    for protocol, given in (
        (hookspecs.Register, Collector.register),
        (hookspecs.RegisterCommand, Collector.register_command),
    ):
        assert list(inspect.signature(protocol.__call__).parameters) == list(
            inspect.signature(given).parameters
        )
