"""Components as the command line shows them."""

from __future__ import annotations

import json

import click
import pytest
from helpers_cli import call

from s2vkit.plugins import registry


def test_list_components_shows_everything_untruncated(capsys):
    out = call(capsys, "list-components").out
    for entry in registry().of_kind():
        assert entry.name in out
        assert entry.summary in out
        assert entry.owner in out
    for failure in registry().failures:
        assert failure.owner in out
        assert failure.error in out


def test_list_components_of_a_kind(capsys):
    out = call(capsys, "list-components", "--kind", "Audio-Encoders").out
    assert "logmel" in out
    assert "vggface" not in out
    called = call(capsys, "list-components", "--kind", "techer")
    assert called.code == 2
    assert "did you mean 'teacher'?" in called.err


def test_list_components_json_has_stable_keys(capsys):
    found = json.loads(call(capsys, "list-components", "--json").out)
    assert set(found) == {"components", "failures"}
    assert len(found["components"]) == len(registry().entries) > 0
    for component in found["components"]:
        assert list(component) == [
            "kind",
            "name",
            "summary",
            "reference",
            "gives",
            "wants",
            "owner",
            "target",
        ]
        assert isinstance(component["gives"], list)


def test_describe_names_options_defaults_and_limits(capsys):
    out = call(capsys, "describe", "audio-encoder", "cpc").out
    assert "audio_encoder 'cpc'" in out
    for said in ("s2vkit_cpc.encoder:Cpc", "channels", "256", ">= 8", "lstm | gru", "str | null"):
        assert said in out
    assert "optimizer slot" in call(capsys, "describe", "stage", "distill").out


def test_describe_shows_nested_options(capsys):
    out = call(capsys, "describe", "stage", "distill").out
    assert "losses.match" in out
    assert "loss slot giving pair and codes" in out


def test_describe_json_has_stable_keys(capsys):
    found = json.loads(call(capsys, "describe", "audio_encoder", "cpc", "--json").out)
    assert list(found) == [
        "kind",
        "name",
        "summary",
        "reference",
        "owner",
        "target",
        "gives",
        "wants",
        "options",
    ]
    channels = next(o for o in found["options"] if o["name"] == "channels")
    assert channels["default"] is None
    assert channels["required"] is False
    assert list(channels) == ["name", "type", "required", "default", "limits", "description", "slot"]


def test_describe_suggests_the_nearest_name(capsys):
    called = call(capsys, "describe", "teacher", "vgg-fase")
    assert called.code == 3
    assert "unknown teacher 'vgg-fase'" in called.err
    assert "did you mean 'vggface'?" in called.err


def test_every_option_is_described():
    from s2vkit.cli.option_rows import option_rows

    bare = [
        f"{entry.kind} {entry.name}: {row.name}"
        for entry in registry().of_kind()
        for row in option_rows(entry.options)
        if not row.description
    ]
    assert bare == []


@pytest.mark.parametrize("width", [20, 64, 90, 300])
def test_tables_on_a_terminal_fold_and_never_cut(monkeypatch, capsys, width):
    from s2vkit.cli import tables

    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(tables.sys.stdout, "isatty", lambda: True, raising=False)
    name, words = "a_name_of_some_letters", ["[b]lue", *[f"word{i}" for i in range(20)]]
    tables.print_table(["kind", "name", "summary"], [["teacher", name, " ".join(words)]])
    out = capsys.readouterr().out
    assert "\x1b[3" not in out
    shown = click.unstyle(out)
    assert [word for word in [name, *words] if word not in shown] == []
    assert "…" not in shown
