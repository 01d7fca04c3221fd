"""The options of `s2vkit generate`: what is asked of the face, how videos are made, what is live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from s2vkit.cli.parameters import precision_option, together

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FORMATS = ("mp4", "webm", "gif", "png", "raw")
_FILE = click.Path(path_type=Path, dir_okay=False)


def control_options() -> Callable[[_Command], _Command]:
    """Take the options that choose speaker and emotion, as the fields of `Asked`."""
    return together(
        click.option("--identity", metavar="NAME", help="Show this person; NAME=0.5 goes halfway."),
        click.option(
            "--identity-from", type=_FILE, metavar="SPEECH", help="Show the person of this other recording."
        ),
        click.option(
            "--identity-image",
            type=_FILE,
            metavar="PICTURE",
            help="Show the person of this picture; MODEL must be a run folder, which has the teacher.",
        ),
        click.option("--emotion", metavar="NAME", help="Show this emotion; happiness=0.7 sets its strength."),
        click.option(
            "--emotion-from", type=_FILE, metavar="SPEECH", help="Show the emotion of this other recording."
        ),
        click.option(
            "--mix",
            multiple=True,
            metavar="NAME=SHARE",
            help="Mix people or emotions; give it once for each.",
        ),
        click.option(
            "--track",
            type=_FILE,
            metavar="CSV",
            help="Change identity and emotion over time: columns time, identity, emotion.",
        ),
    )


def video_options() -> Callable[[_Command], _Command]:
    """Take how videos are made: size, frame rate, format, precision, batch."""
    return together(
        click.option(
            "--size",
            type=click.IntRange(16, 2048),
            metavar="PX",
            help="Height and width of the video; by default the model's own.",
        ),
        click.option(
            "--fps",
            type=click.FloatRange(1, 120),
            metavar="RATE",
            help="Frames per second; by default the model's own.",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(_FORMATS),
            help="The format; by default from the output's name. png is a folder of pictures, raw is RGB.",
        ),
        precision_option(),
        click.option(
            "--batch",
            type=click.IntRange(1, 256),
            default=1,
            show_default=True,
            metavar="N",
            help="Recordings generated at once, each up to a minute; saves time on a GPU.",
        ),
        click.option(
            "--playable",
            is_flag=True,
            help="Write MP4 files that play as far as they were written, even if this is killed; they are "
            "larger, and not signed.",
        ),
    )


def live_options() -> Callable[[_Command], _Command]:
    """Take what is generated while somebody speaks: `rate`, `microphone`, `window`."""
    return together(
        click.option(
            "--live",
            "rate",
            type=click.IntRange(1000, 384000),
            is_flag=False,
            flag_value=16000,
            metavar="HZ",
            help="Generate while somebody speaks: SPEECH is -, a stream of mono 16-bit PCM at this rate "
            "(16000), or there is --microphone.",
        ),
        click.option(
            "--microphone",
            is_flag=False,
            flag_value="",
            metavar="DEVICE",
            help="With --live, listen to a microphone in place of SPEECH (extra `microphone`).",
        ),
        click.option(
            "--window",
            is_flag=True,
            help="With --live, show the face in a window in place of -o (extra `window`).",
        ),
    )
