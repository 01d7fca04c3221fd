"""`s2vkit recipes`: the recipes that come with the package."""

from __future__ import annotations

import json
from pathlib import Path

import click

from s2vkit.cli.parameters import json_option


@click.group(invoke_without_command=True)
@json_option()
@click.pass_context
def recipes(ctx: click.Context, as_json: bool) -> None:
    """List the recipes of the package, or copy one to edit.

    Wherever a command takes a RECIPE, the name of one of these works too.
    """
    if ctx.invoked_subcommand is not None:
        return
    from s2vkit.cli.tables import print_table
    from s2vkit.recipe.shipped import shipped_recipes

    found = shipped_recipes()
    if as_json:
        rows = [{"name": r.name, "path": str(r.path), "summary": r.summary} for r in found]
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    print_table(("recipe", "what it is"), [[r.name, r.summary] for r in found])


@recipes.command()
@click.argument("name")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def copy(name: str, folder: Path, force: bool) -> None:
    """Copy the recipe NAME, and those it extends, into FOLDER (here, if none is given)."""
    from s2vkit.recipe.shipped import copy_shipped

    for path in copy_shipped(name, folder, force=force):
        click.echo(str(path))
