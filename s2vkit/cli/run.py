"""`s2vkit run`: everything a recipe says, from corpus to report."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from s2vkit.cli import complete
from s2vkit.cli.parameters import command_line, recipe_argument, sets_option


@click.command()
@recipe_argument()
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
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
@click.option(
    "--devices",
    type=click.IntRange(min=1),
    metavar="N",
    help="Train in N processes on this machine, each on its part of every batch: one per GPU, or all on "
    "the CPU.",
)
@click.option("--fresh", is_flag=True, help="Run every stage again, even if it is finished.")
@click.option(
    "--stage",
    "stages",
    multiple=True,
    metavar="NAME",
    help="Run only this stage and those it needs; may be given several times.",
)
@click.option(
    "--no-mark", is_flag=True, help="Neither watermark nor sign the videos; short for --set mark=false."
)
@click.option(
    "--profile",
    is_flag=True,
    help="Write stages/STAGE/trace.json, a trace of three steps of each stage, for chrome://tracing.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The lowest level written to run.log, in the run folder.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be run, and why; run nothing.")
def run(
    recipe: Path,
    settings: tuple[str, ...],
    sets: tuple[str, ...],
    output: Path | None,
    device: str | None,
    devices: int | None,
    fresh: bool,
    stages: tuple[str, ...],
    no_mark: bool,
    profile: bool,
    log_level: str,
    dry_run: bool,
) -> None:
    """Train, evaluate and render as RECIPE says, or run all recipes of a comparison.

    KEY=VALUE is short for --set KEY=VALUE. Stages that are finished in the run folder are not run
    again; a run that was stopped resumes from its last checkpoint. Stages that would come out the
    same as in the run of a recipe that this one extends are taken over from there.
    """
    from s2vkit.plugins import registry
    from s2vkit.recipe.carried import check_carried
    from s2vkit.recipe.load import load_recipe
    from s2vkit.recipe.merge import is_comparison, outputs_of

    for text in settings:
        if "=" not in text:
            raise click.UsageError(f"'{text}' sets nothing: write KEY=VALUE, and one RECIPE before it")
    sets = (*sets, *settings)
    options = {"output": output, "compute.device": device}
    short = [
        f"{key}={json.dumps(str(value), ensure_ascii=False)}"
        for key, value in options.items()
        if value is not None
    ]
    short += ["mark=false"] if no_mark else []
    command = command_line()
    if is_comparison(recipe):
        if (devices or 1) > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise click.UsageError("several processes train one recipe; run those of a comparison one by one")
        _compare(recipe, [*sets, *short], fresh, stages, dry_run, command)
        return
    loaded = load_recipe(recipe, [*sets, *short], registry())
    check_carried(loaded.recipe, registry(), str(recipe))
    folder = _run_folder_of(recipe)
    if (
        folder
        and Path(loaded.recipe.output).resolve() != folder.resolve()
        and not _names_output(sets, output)
    ):
        click.echo(f"note: this run was at {loaded.recipe.output}; it goes on in {folder}", err=True)
        here = f"output={json.dumps(str(folder), ensure_ascii=False)}"
        loaded = load_recipe(recipe, [*sets, *short, here], registry())

    if devices and devices > 1 and not dry_run and "RANK" not in os.environ:
        from s2vkit.engine.launch import launch
        from s2vkit.engine.process_group import check_batches

        check_batches(loaded.recipe.stages, devices)
        sys.exit(launch(devices))

    from rich.console import Console

    from s2vkit.engine.run import run_recipe

    run_recipe(
        loaded,
        console=Console(),
        fresh=fresh,
        stages=stages,
        dry=dry_run,
        donors=() if fresh else outputs_of(recipe),
        command=command,
        profile=profile,
        log_level=log_level,
    )


def _run_folder_of(recipe: Path) -> Path | None:
    """Return the run folder whose own recipe this is: it may have been moved or copied."""
    from s2vkit.runs.folder import is_run

    return recipe.parent if recipe.name == "recipe.yaml" and is_run(recipe.parent) else None


def _names_output(sets: tuple[str, ...], output: Path | None) -> bool:
    return output is not None or any(text.partition("=")[0].strip() == "output" for text in sets)


def _compare(
    recipe: Path, sets: list[str], fresh: bool, stages: tuple[str, ...], dry: bool, command: str
) -> None:
    from s2vkit.plugins import registry
    from s2vkit.recipe.carried import check_carried
    from s2vkit.recipe.comparison import load_comparison

    if stages:
        raise click.UsageError("--stage is of one recipe; a comparison runs all stages of each")
    loaded = load_comparison(recipe, sets, registry())
    for one in loaded.firsts():
        check_carried(one.loaded.recipe, registry(), str(recipe))

    from rich.console import Console

    from s2vkit.benchmark.systems import run_comparison

    run_comparison(loaded, console=Console(), registry=registry(), fresh=fresh, dry=dry, command=command)
