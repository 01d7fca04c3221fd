"""`s2vkit list-components`: every component a recipe can name after `use:`, and its owner."""

from __future__ import annotations

import json
from typing import Any

import click

from s2vkit.cli import complete
from s2vkit.cli.parameters import json_option, kind_type


@click.command("list-components")
@click.option("--kind", type=kind_type(), help="Only this kind.", shell_complete=complete.kinds)
@json_option()
def list_components(kind: str | None, as_json: bool) -> None:
    """List the installed components by kind, and the plugins that failed to load.

    `gives` and `wants` are what the checker compares when parts are wired together.
    """
    if as_json:
        click.echo(json.dumps(listing(kind), indent=2))
        return
    _print_components(kind)
    _print_failures()


def listing(kind: str | None = None) -> dict[str, Any]:
    """Return the components and failures as plain data; these keys are stable.

    `{"components": [{kind, name, summary, reference, gives, wants, owner, target}],
    "failures": [{owner, error}]}`
    """
    from s2vkit.plugins import registry

    keys = ("kind", "name", "summary", "reference", "gives", "wants", "owner", "target")
    return {
        "components": [
            {key: _plain(getattr(entry, key)) for key in keys} for entry in registry().of_kind(kind)
        ],
        "failures": [{"owner": f.owner, "error": f.error} for f in registry().failures],
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _print_components(kind: str | None) -> None:
    from s2vkit.cli.tables import print_table
    from s2vkit.plugins import registry

    entries = registry().of_kind(kind)
    rows = [[e.kind, e.name, e.summary, ", ".join(e.gives), ", ".join(e.wants), e.owner] for e in entries]
    if not rows:
        click.echo(f"no {kind or 'component'} is installed")
        return
    shown = [[row[0] if row[0] != last else "", *row[1:]] for row, last in _with_last(rows)]
    print_table(["kind", "name", "summary", "gives", "wants", "owner"], shown)


def _with_last(rows: list[list[str]]) -> list[tuple[list[str], str]]:
    return [(row, rows[i - 1][0] if i else "") for i, row in enumerate(rows)]


def _print_failures() -> None:
    from s2vkit.plugins import registry

    failures = registry().failures
    if failures:
        click.echo(f"\n{len(failures)} plugin(s) failed to load; what they bring is not listed:")
    for failure in failures:
        click.echo(f"  {failure.owner}: {failure.error}")
