"""`s2vkit sweep`: a recipe at every combination of some values, and their table."""

from __future__ import annotations

import json
from pathlib import Path

import click

from s2vkit.cli.parameters import command_line, recipe_argument, sets_option


@click.command()
@recipe_argument()
@click.argument("axes", nargs=-1, required=True, metavar="KEY=VALUE,VALUE...")
@sets_option()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder of the table and of every run; by default the recipe's output with -sweep appended.",
)
@click.option("--device", metavar="NAME", help="Where to compute; short for --set compute.device=NAME.")
@click.option(
    "--dry-run", is_flag=True, help="Print the runs, what they share and what they cost; run nothing."
)
def sweep(
    recipe: Path,
    axes: tuple[str, ...],
    sets: tuple[str, ...],
    output: Path | None,
    device: str | None,
    dry_run: bool,
) -> None:
    """Run RECIPE for every combination of values, such as `audio_encoder=cpc,logmel seed=1,2,3`.

    Runs that differ only in their seed are one row of the table, with intervals over clips and seeds.
    A stage that is the same in several runs is trained once. The same command again resumes,
    and trains nothing that is finished.
    """
    from s2vkit.plugins import registry
    from s2vkit.recipe.sweep import load_sweep

    short = [f"compute.device={json.dumps(device)}"] if device else []
    loaded = load_sweep(recipe, axes, [*sets, *short], str(output) if output else None, registry())

    from rich.console import Console

    from s2vkit.benchmark.sweep import show_sharing
    from s2vkit.benchmark.systems import run_comparison

    console = Console()
    show_sharing(loaded, console, registry())
    run_comparison(loaded, console=console, registry=registry(), dry=dry_run, command=command_line())
