"""`s2vkit doctor`: what this machine has, and what it lacks."""

from __future__ import annotations

import json
from typing import Any

import click

from s2vkit.cli.parameters import json_option


@click.command()
@json_option()
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Report the machine, the packages, the devices, the codecs and the plugins.

    The exit code is 6 if something is missing that s2vkit cannot work without.
    """
    from s2vkit.cli.examine import examine

    found = examine()
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _print(found)
    if found["missing"]:
        ctx.exit(6)


def _print(found: dict[str, Any]) -> None:
    from s2vkit.cli.tables import print_table

    for part in ("machine", "packages", "devices", "choices", "codecs", "extras", "plugins"):
        print_table([part, ""], [[name, _shown(value)] for name, value in found[part].items()])
        click.echo()
    for failure in found["failures"]:
        click.echo(f"plugin failed to load: {failure['owner']}: {failure['error']}")
    if found["missing"]:
        click.echo("missing: " + "; ".join(found["missing"]))
    else:
        click.echo("all that is needed is there")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not installed" if value is None else str(value)
