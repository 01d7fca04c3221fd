"""`s2vkit evaluate`: Table 1 of any finished runs, or figures of any videos, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from s2vkit.cli.evaluate_videos import VideoFolders, check_folders, evaluate_folders, video_options
from s2vkit.cli.parameters import command_line, device_option, runs_argument, sets_option

if TYPE_CHECKING:
    from s2vkit.benchmark.comparison import Comparison
    from s2vkit.benchmark.request import Asked


@click.command()
@runs_argument(required=False)
@video_options
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    help="Which clips; by default those that each run's recipe measures.",
)
@click.option(
    "--clips", type=click.IntRange(min=1), metavar="N", help="At most this many clips of the split."
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME=COMPONENT",
    help="Measure this instead of the run's own metrics; may be given several times.",
)
@click.option(
    "--under",
    metavar="A,B,...",
    help="Measure under changes of the recordings too, each beside the recordings as they are: "
    "`all`, or any of those that `--under list` names.",
)
@click.option(
    "--by",
    multiple=True,
    metavar="LABEL",
    help="Every figure also by the values of this label (gender, emotion, identity), with intervals and "
    "the worst group; several times for several labels.",
)
@sets_option()
@click.option("--again", is_flag=True, help="Measure again, even if there are figures already.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write table1.md, .csv, .tex and .json and figure3.png (figure4.png) into this folder.",
)
@click.option(
    "--format",
    "form",
    default="table",
    show_default=True,
    type=click.Choice(["table", "markdown", "csv", "latex", "json"]),
    help="What is printed.",
)
@click.option("--figures/--no-figures", default=True, help="Whether -o draws the figures (the default).")
@click.option(
    "--unseen",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the corpus that adds speakers unseen in training, for figure4.png, "
    "e.g. --unseen speakers=16.",
)
@device_option()
def evaluate(
    runs: tuple[Path, ...],
    videos: tuple[Path, ...],
    truth: Path | None,
    audio: Path | None,
    speakers: Path | None,
    networks: Path | None,
    protocol: Path | None,
    split: str | None,
    clips: int | None,
    metrics: tuple[str, ...],
    under: str | None,
    by: tuple[str, ...],
    sets: tuple[str, ...],
    again: bool,
    output: Path | None,
    form: str,
    figures: bool,
    unseen: tuple[str, ...],
    device: str,
) -> None:
    """Compare the figures of finished RUNs, with intervals over clips and seeds.

    Runs that differ only in their seed are one system. Where a run has no figures for
    the requested split, or with --again, its clips are generated and measured anew, into
    RUN/measured; its own figures stay.

    With --videos, folders of videos of any generator take the place of runs: matched with real
    ones by name, aligned in time by their sound, cropped alike and measured. The protocol's hash
    stands with the figures, and a video that cannot be measured is reported with the reason.
    """
    folders = VideoFolders(videos, truth, audio, speakers, protocol, networks)
    check_folders(runs, folders, {"split": split, "clips": clips, "under": under, "unseen": unseen})
    named = dict(map(_metric, metrics))
    if videos:
        return evaluate_folders(folders, named, sets, again, output, form, by)
    from s2vkit.benchmark.request import Asked
    from s2vkit.benchmark.show import show, show_groups

    command = command_line()
    if under is not None:
        asked = Asked(split, clips, named, sets, again, device, command)
        return _measure_under(runs, asked, under, output)
    asked = Asked(split, clips, named, sets, again, None if device == "auto" else device, command)
    if output is not None and figures:
        comparison = _make(runs, asked, output, figures, unseen)
    else:
        comparison = _read(runs, asked, output) or _make(runs, asked, output, figures, unseen)
    show(comparison, form, command)
    show_groups(comparison, by, output)
    if output is not None:
        click.echo(f"everything is in {output}", err=True)


def _measure_under(runs: Sequence[Path], asked: Asked, under: str, output: Path | None) -> None:
    """Table each run's figures under changes of its recordings."""
    from s2vkit.speech.conditions import RECORDING_CONDITIONS

    if under == "list":
        for name, condition in RECORDING_CONDITIONS.items():
            click.echo(f"{name:15} {condition.summary}")
        return
    names = list(RECORDING_CONDITIONS) if under == "all" else [name.strip() for name in under.split(",")]
    if unknown := [name for name in names if name not in RECORDING_CONDITIONS]:
        raise click.BadParameter(
            f"'{unknown[0]}' is none of {', '.join(RECORDING_CONDITIONS)}", param_hint="--under"
        )
    from rich.console import Console

    from s2vkit.benchmark.robustness import measure_under, print_under, write_under
    from s2vkit.plugins import registry

    for run in runs:
        found = measure_under(run, names, asked, Console(stderr=True), registry())
        print_under(run, found, Console())
        write_under(run if output is None else output, found)


def _read(runs: Sequence[Path], asked: Asked, output: Path | None) -> Comparison | None:
    """Table what runs have measured already, without torch; None if that is not all."""
    from s2vkit.benchmark.provenance import table_of
    from s2vkit.benchmark.request import find
    from s2vkit.plugins import registry

    found = [run for folder in runs if (run := find(folder, asked)) is not None]
    return table_of(found, registry(), output, asked.command) if len(found) == len(runs) else None


def _make(
    runs: Sequence[Path], asked: Asked, output: Path | None, figures: bool, unseen: Sequence[str]
) -> Comparison:
    """Measure what is to be measured, table it and draw the figures."""
    from rich.console import Console

    from s2vkit.benchmark.systems import Drawn, tabulate
    from s2vkit.plugins import registry

    drawn, console = (Drawn(figures, tuple(f"data.{o}" for o in unseen)), Console(stderr=True))
    return tabulate(list(runs), asked, output, drawn, console=console, registry=registry())


def _metric(text: str) -> tuple[str, str]:
    name, equals, use = text.partition("=")
    if not name.isidentifier() or (equals and not use):
        raise click.BadParameter(f"'{text}' is not NAME=COMPONENT", param_hint="--metric")
    return name, use or name
