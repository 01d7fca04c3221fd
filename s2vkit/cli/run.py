"""`s2vkit run`: everything a recipe says, from corpus to report."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from s2vkit.cli import complete
from s2vkit.cli.parameters import recipe_argument, sets_option


@click.command()
@recipe_argument()
@sets_option()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The run folder; short for --set output=DIR.",
)
@click.option(
    "--device",
    metavar="NAME",
    help="Where to compute: auto, cpu, cuda, cuda:N or mps; short for --set compute.device=NAME.",
    shell_complete=complete.devices,
)
@click.option("--fresh", is_flag=True, help="Run every stage again, whatever is finished.")
@click.option(
    "--stage",
    "stages",
    multiple=True,
    metavar="NAME",
    help="Run only this stage and those it needs; may be given several times.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be run, and why; run nothing.")
def run(
    recipe: Path,
    sets: tuple[str, ...],
    output: Path | None,
    device: str | None,
    fresh: bool,
    stages: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Train, evaluate and render what RECIPE says.

    Stages that stand finished in the run folder are not run again; a run that was stopped
    goes on from its last checkpoint.
    """
    from s2vkit.plugins import registry
    from s2vkit.recipe.load import load_recipe

    said = {"output": output, "compute.device": device}
    short = [
        f"{key}={json.dumps(str(value), ensure_ascii=False)}"
        for key, value in said.items()
        if value is not None
    ]
    loaded = load_recipe(recipe, [*sets, *short], registry())

    from rich.console import Console

    from s2vkit.engine.run import run_recipe

    command = said_so(recipe, sets, output, device, fresh, stages)
    run_recipe(loaded, console=Console(), fresh=fresh, stages=stages, dry=dry_run, command=command)


def said_so(
    recipe: Path, sets: tuple[str, ...], output: Path | None, device: str | None, fresh: bool,
    stages: tuple[str, ...],
) -> str:  # fmt: skip
    """Write the command as it was typed, its options in one order: what run.json keeps."""
    named = [("--set", one) for one in sets]
    named += [("--output", str(output))] if output is not None else []
    named += [("--device", device)] if device is not None else []
    named += [("--stage", one) for one in stages]
    words = ["s2vkit", "run", str(recipe), *(word for pair in named for word in pair)]
    return shlex.join([*words, "--fresh"] if fresh else words)
