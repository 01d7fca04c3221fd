"""The options of `s2vkit evaluate` for videos of any source, and what they start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from s2vkit.cli.parameters import command_line, together

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True)
class VideoFolders:
    """What the options for videos said."""

    videos: tuple[Path, ...]
    truth: Path | None
    audio: Path | None
    speakers: Path | None
    protocol: Path | None
    networks: Path | None


def video_options(command: _Command) -> _Command:
    """Take `--videos`, `--truth`, `--audio`, `--speakers`, `--protocol` and `--networks`."""
    take: Callable[[_Command], _Command] = together(
        click.option(
            "--videos",
            type=_FOLDER,
            multiple=True,
            metavar="DIR",
            help="Evaluate the videos of any generator in DIR, no run; given several times, each is a "
            "system. A folder OUT/systems/NAME that was measured before is read.",
        ),
        click.option(
            "--truth", type=_FOLDER, metavar="DIR", help="The real videos, matched with --videos by name."
        ),
        click.option(
            "--audio",
            type=_FOLDER,
            metavar="DIR",
            help="The speech of the videos, matched by name, in place of their own sound.",
        ),
        click.option(
            "--speakers",
            type=_FILE,
            metavar="CSV",
            help="Labels of the videos: a column `file`, then speaker, gender, age or any other.",
        ),
        click.option(
            "--networks",
            type=_FOLDER,
            metavar="RUN",
            help="A finished run whose evaluators (identity, emotion, sync) measure the videos too.",
        ),
        click.option(
            "--protocol",
            type=_FILE,
            metavar="FILE",
            help="How videos are cropped and what is measured: a YAML file, or `lse`; --set changes "
            "single values.",
        ),
    )
    return take(command)


def check_folders(runs: Sequence[Path], folders: VideoFolders, not_for_videos: Mapping[str, object]) -> None:
    """Refuse runs and videos at once, neither, and options of the one beside the other."""
    if not folders.videos:
        if not runs:
            raise click.UsageError("Missing argument 'RUN...', or the option '--videos DIR'.")
        for name in ("truth", "audio", "speakers", "protocol", "networks"):
            if getattr(folders, name) is not None:
                raise click.UsageError(f"--{name} goes with --videos")
        return
    if runs:
        raise click.UsageError(f"give either RUN... or --videos, not both ('{runs[0]}' is a RUN)")
    for name, value in not_for_videos.items():
        if value:
            raise click.UsageError(f"--{name} is for runs, not for --videos")


def evaluate_folders(
    folders: VideoFolders,
    metrics: Mapping[str, str],
    sets: Sequence[str],
    again: bool,
    output: Path | None,
    form: str,
    by: Sequence[str] = (),
) -> None:
    """Evaluate folders of videos, print the table and say where everything is."""
    from rich.console import Console

    from s2vkit.benchmark.show import show, show_groups
    from s2vkit.plugins import registry
    from s2vkit.videos.protocol import load_protocol
    from s2vkit.videos.systems import AskedVideos, evaluate_videos

    protocol = load_protocol(folders.protocol, sets, metrics, registry())
    given = (folders.truth, folders.audio, folders.speakers, folders.networks)
    asked = AskedVideos(folders.videos, protocol, *given, again, command_line(), tuple(by))
    place = output or Path("evaluation")
    comparison = evaluate_videos(asked, place, Console(stderr=True), registry())
    show(comparison, form, command_line())
    show_groups(comparison, by, place)
    click.echo(f"everything is in {place}", err=True)
