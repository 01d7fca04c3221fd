"""`s2vkit validate`: is a recipe right? Nothing is built, nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from s2vkit.cli.parameters import recipe_argument, sets_option


@click.command()
@recipe_argument(many=True)
@sets_option()
@click.pass_context
def validate(ctx: click.Context, recipes: tuple[Path, ...], sets: tuple[str, ...]) -> None:
    """Check each RECIPE completely; run nothing.

    All problems of all recipes are printed with file and line; the exit code is then 3. It is 6 if a
    recipe is right, but takes weights of packages that are not installed.
    """
    wrong = [code for recipe in recipes if (code := _check(recipe, sets))]
    if wrong:
        if len(recipes) > 1:
            click.echo(f"{len(wrong)} of {len(recipes)} recipes are wrong", err=True)
        ctx.exit(wrong[0] if len(set(wrong)) == 1 else 3)


def count_components(data: Any) -> int:
    """Count the slots that are filled in a resolved recipe's plain data."""
    if isinstance(data, dict):
        return int("use" in data) + sum(count_components(value) for value in data.values())
    if isinstance(data, list):
        return sum(count_components(value) for value in data)
    return 0


def _check(recipe: Path, sets: Sequence[str]) -> int:
    from s2vkit.cli.guard import explain
    from s2vkit.errors import S2vkitError
    from s2vkit.plugins import registry
    from s2vkit.recipe.carried import check_carried
    from s2vkit.recipe.load import load_recipe
    from s2vkit.recipe.merge import is_comparison

    try:
        if is_comparison(recipe):
            from s2vkit.recipe.comparison import load_comparison

            compared = load_comparison(recipe, list(sets), registry())
            for one in compared.firsts():
                check_carried(one.loaded.recipe, registry(), str(recipe))
            systems, seeds = len(compared.firsts()), len(compared.options.seeds)
            summary = f"a comparison of {systems} systems at {seeds} seeds, {systems * seeds} runs"
            click.echo(f"{recipe}: ok, {summary}")
            return 0
        loaded = load_recipe(recipe, list(sets), registry())
        check_carried(loaded.recipe, registry(), str(recipe))
    except (S2vkitError, OSError) as error:
        message, code = explain(error, [])
        click.echo(message, err=True)
        return code
    for note in loaded.dropped:
        click.echo(f"{recipe}: note: {note}", err=True)
    click.echo(f"{recipe}: ok, {count_components(loaded.data)} components")
    return 0
