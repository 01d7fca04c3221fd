"""`s2vkit cache`: what is kept for several runs, and making room."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from s2vkit.cli.parameters import json_option, recipe_option
from s2vkit.units import size_text

if TYPE_CHECKING:
    from s2vkit.data.cache_entries import CacheEntry

_Command = TypeVar("_Command", bound=Callable[..., Any])
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SPANS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DEFAULT = Path("runs/.cache")


def cache_option() -> Callable[[_Command], _Command]:
    """Take `--cache` (`folder: Path`)."""
    return click.option(
        "--cache",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        default=_DEFAULT,
        show_default=True,
        metavar="DIR",
        help="The cache folder, which recipes set by `cache:`.",
    )


@click.group("cache", invoke_without_command=True)
@cache_option()
@recipe_option("Show instead what a run of RECIPE will cache, how large it is, and what is computed live.")
@json_option()
@click.pass_context
def cache(ctx: click.Context, folder: Path, recipe: Path | None, as_json: bool) -> None:
    """Show what is computed once for several runs: prepared corpora and frozen features.

    Each entry with its source, its size, when a run last used it, and which runs did.
    Removing an entry costs only the time to compute it again.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = folder
        return
    if recipe is not None:
        _print_plan(recipe, as_json)
        return
    from s2vkit.data.cache_entries import list_entries

    entries = list_entries(folder)
    if as_json:
        click.echo(json.dumps([as_data(entry) for entry in entries], indent=2))
        return
    if not entries:
        click.echo(f"{folder} is empty")
        return
    _print(entries)
    click.echo(f"{len(entries)} in {folder}, {size_text(sum(e.size for e in entries))} in all")


@cache.command("prune")
@click.option(
    "--max-size",
    metavar="SIZE",
    callback=lambda _, __, text: parse_size(text),
    help="Remove the least recently used until the rest takes at most SIZE: 500M, 20G.",
)
@click.option(
    "--older-than",
    metavar="SPAN",
    callback=lambda _, __, text: parse_span(text),
    help="Remove what no run has used for SPAN: 12h, 30d, 8w.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be removed; remove nothing.")
@json_option()
@click.pass_context
def prune_command(
    ctx: click.Context, max_size: int | None, older_than: float | None, dry_run: bool, as_json: bool
) -> None:
    """Remove what is large or old. What a running run reads or creates is never removed."""
    from s2vkit.data.cache_entries import prune

    if max_size is None and older_than is None:
        raise click.UsageError("give what to remove: --max-size SIZE, --older-than SPAN, or both")
    gone = prune(ctx.obj, max_size=max_size, older_than=older_than, dry=dry_run)
    if as_json:
        click.echo(json.dumps([as_data(entry) for entry in gone], indent=2))
        return
    if gone:
        _print(gone)
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{verb}: {len(gone)}, {size_text(sum(entry.size for entry in gone))}")


def as_data(entry: CacheEntry) -> dict[str, Any]:
    """Return an entry as plain data; these keys are stable.

    `{path, kind, what, bytes, made, used, runs, in_use}`; times are ISO 8601.
    """
    return {
        "path": str(entry.path),
        "kind": entry.kind,
        "what": entry.what,
        "bytes": entry.size,
        "created": _time(entry.created),
        "used": _time(entry.used),
        "runs": list(entry.runs),
        "in_use": entry.in_use,
    }


def _print_plan(recipe: Path, as_json: bool) -> None:
    from s2vkit.cli.cache_plan import print_cache_plan
    from s2vkit.plugins import registry
    from s2vkit.recipe.load import load_recipe

    print_cache_plan(load_recipe(recipe, (), registry()), registry(), as_json=as_json)


def _print(entries: Sequence[CacheEntry]) -> None:
    from s2vkit.cli.tables import print_table

    now = time.time()
    rows = [
        [
            e.path.name,
            e.what,
            size_text(e.size),
            span_text(now - e.created),
            span_text(now - e.used),
            "running" if e.in_use else "",
            ", ".join(map(_run_text, e.runs)),
        ]
        for e in entries
    ]
    print_table(["name", "of", "size", "created", "last used", "now", "used by"], rows)


def _run_text(run: str) -> str:
    return run if Path(run).is_dir() else f"{run} (gone)"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def span_text(seconds: float) -> str:
    """Write how long ago something was."""
    for name in ("w", "d", "h", "min"):
        if seconds >= 2 * _SPANS[name]:
            return f"{seconds / _SPANS[name]:.0f} {name} ago"
    return "just now" if seconds < 60 else "1 min ago"


def parse_size(text: str | None) -> int | None:
    """Read 500M, 20G, 1.5TB as bytes (powers of 1000). Raises click.BadParameter."""
    if text is None:
        return None
    found = re.fullmatch(r"([\d.]+)\s*([kmgt]?)i?b?", text.strip(), re.IGNORECASE)
    if not found or not _number(found[1]):
        raise click.BadParameter(f"'{text}' is not a size: write 500M or 20G")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def parse_span(text: str | None) -> float | None:
    """Read 90min, 12h, 30d, 8w as seconds. Raises click.BadParameter."""
    if text is None:
        return None
    found = re.fullmatch(r"([\d.]+)\s*(s|min|h|d|w)", text.strip())
    if not found or not _number(found[1]):
        raise click.BadParameter(f"'{text}' is not a time span: write 12h, 30d or 8w")
    return float(found[1]) * _SPANS[found[2]]


def _number(text: str) -> bool:
    return text.count(".") <= 1 and text != "."
