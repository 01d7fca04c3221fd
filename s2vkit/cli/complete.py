"""What the shell may complete: kinds, components, recipes and devices. No torch."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

DEVICES = ("auto", "cpu", "cuda", "cuda:0", "mps")
_SUFFIXES = (".yaml", ".yml")


def kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a kind of component."""
    from s2vkit.options import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


def components(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a component's name, of the kind already given."""
    return _of_kind(ctx.params.get("kind"), incomplete)


def datasets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a dataset's name."""
    return _of_kind("dataset", incomplete)


def detectors(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a face detector's name."""
    return _of_kind("face_detector", incomplete)


def _of_kind(kind: str | None, incomplete: str) -> list[CompletionItem]:
    from s2vkit.plugins import registry

    return [
        CompletionItem(entry.name, help=entry.summary)
        for entry in registry().of_kind(kind)
        if entry.name.startswith(incomplete)
    ]


def weighty(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a component that reads published weights."""
    from s2vkit.plugins import registry

    there = (entry.name for entry in registry().of_kind() if entry.checkpoints)
    return [name for name in there if name.startswith(incomplete)]


def devices(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a device's name."""
    return [device for device in DEVICES if device.startswith(incomplete)]


def recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a recipe's path: YAML files here and one folder down; the shell does folders."""
    folder, _, start = incomplete.rpartition("/")
    base = Path(folder or ("/" if incomplete.startswith("/") else "."))
    prefix = f"{folder}/" if "/" in incomplete else ""
    if not base.is_dir():
        return []
    here = sorted(p for p in base.iterdir() if p.name.startswith(start) and p.name[0] != ".")
    folders = [p for p in here if p.is_dir()]
    found = [prefix + p.name for p in here if p.suffix in _SUFFIXES]
    for inner in folders:
        found += sorted(f"{prefix}{inner.name}/{p.name}" for s in _SUFFIXES for p in inner.glob(f"*{s}"))
    items = [CompletionItem(path) for path in found]
    return items + [CompletionItem(incomplete, type="dir")] * bool(folders)
