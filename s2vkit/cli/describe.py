"""`s2vkit describe`: one component and everything a recipe may say of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from s2vkit.cli import complete
from s2vkit.cli.parameters import json_option, kind_type

if TYPE_CHECKING:
    from s2vkit.registry import Entry


@click.command()
@click.argument("kind", type=kind_type(), shell_complete=complete.kinds)
@click.argument("name", shell_complete=complete.components)
@json_option()
def describe(kind: str, name: str, as_json: bool) -> None:
    """Describe the component NAME of a KIND: what it is, and its options."""
    from s2vkit.plugins import registry

    entry = registry().get(kind, name)
    if as_json:
        click.echo(json.dumps(description(entry), indent=2))
    else:
        _print(entry)


def description(entry: Entry) -> dict[str, Any]:
    """Return a component as plain data; these keys are stable.

    `{kind, name, summary, reference, owner, target, gives, wants,
    options: [{name, type, required, default, limits, description, slot}]}`
    """
    from s2vkit.cli.option_rows import option_rows

    return {
        "kind": entry.kind,
        "name": entry.name,
        "summary": entry.summary,
        "reference": entry.reference,
        "owner": entry.owner,
        "target": entry.target,
        "gives": list(entry.gives),
        "wants": list(entry.wants),
        "options": [row.as_data() for row in option_rows(entry.options)],
    }


def _print(entry: Entry) -> None:
    from s2vkit.cli.option_rows import option_rows
    from s2vkit.cli.tables import print_table

    click.echo(f"{entry.kind} '{entry.name}': {entry.summary or 'no summary'}\n")
    facts = {
        "from": entry.reference,
        "owner": entry.owner,
        "code": entry.target,
        "gives": ", ".join(entry.gives),
        "wants": ", ".join(entry.wants),
        "reads": ", ".join(one.file for one in entry.checkpoints),
    }
    for word, fact in facts.items():
        if fact:
            click.echo(f"  {word:<6} {fact}")
    rows = [row.as_cells() for row in option_rows(entry.options)]
    if not rows:
        click.echo("\nno options")
        return
    click.echo()
    print_table(["option", "type", "default", "limits", "description"], rows)
