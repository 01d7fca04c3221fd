"""`s2vkit schema`: a JSON schema of recipes, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead."
)
def schema(output: Path | None) -> None:
    """Print a JSON schema of recipes with every installed component.

    An editor with YAML support completes and checks a recipe by it: put
    `# yaml-language-server: $schema=recipe.schema.json` at the recipe's top.
    """
    from s2vkit.files import write_text
    from s2vkit.plugins import registry
    from s2vkit.recipe.json_schema import recipe_schema

    text = json.dumps(recipe_schema(registry()), indent=1, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
