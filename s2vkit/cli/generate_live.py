"""`s2vkit generate --live`: where speech comes from, where the face is shown, and the delays printed last."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np

    from s2vkit.inference.generate import How
    from s2vkit.inference.model import TalkingFaceModel
    from s2vkit.inference.outputs import Pair
    from s2vkit.inference.steering import Steering


def given(speech: Sequence[Path], output: Path | None) -> tuple[Sequence[Path], Path]:
    """Return SPEECH and -o, which are needed but where --live has something in their place."""
    if not speech:
        raise click.UsageError("Missing argument 'SPEECH...'.")
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    return speech, output


def live_pair(
    speech: Sequence[Path], output: Path | None, form: str | None, microphone: bool, window: bool, force: bool
) -> Pair:
    """Return where live speech comes from and where its frames go. Raises UsageError, InputError."""
    from s2vkit.inference.outputs import PIPE, Pair, pair_up
    from s2vkit.media.sinks import WINDOW

    if microphone and speech:
        raise click.UsageError("--microphone takes the place of SPEECH")
    if window and (output is not None or form is not None):
        raise click.UsageError("--window takes the place of -o, and has no --format")
    speech, output = given([PIPE] if microphone else speech, PIPE if window else output)
    if list(speech) != [PIPE]:
        raise click.UsageError("--live takes SPEECH - alone, or --microphone")
    if window:
        return Pair(PIPE, PIPE, WINDOW)
    (pair,) = pair_up(speech, output, form, force=force)
    return pair


def show_live(
    model: TalkingFaceModel,
    pair: Pair,
    steering: Mapping[str, Steering],
    how: How,
    rate: int,
    microphone: str | None,
    loading: float,
) -> None:
    """Draw standard input or a microphone until it ends; the delays are printed last."""
    from s2vkit.inference.live_job import PIECE, Delays, go_live, pcm_pieces
    from s2vkit.media.microphone import Microphone
    from s2vkit.media.sinks import WINDOW

    if how.fps is not None or how.image is not None:
        raise click.UsageError("--live takes neither --fps nor --image")
    delays = Delays(loading)
    with ExitStack() as scope:
        source: Iterable[np.ndarray]
        if microphone is None:
            source = pcm_pieces(sys.stdin.buffer, rate)
        else:
            source = scope.enter_context(Microphone(rate, PIECE, microphone))
            click.echo("listening; Ctrl-C ends it", err=True)
        frames = go_live(model, pair, steering, how, source, sample_rate=rate, delays=delays)
    for note in source.notes if isinstance(source, Microphone) else ():
        click.echo(f"note: {note}", err=True)
    done = "showed" if pair.form == WINDOW else f"wrote {pair.output}:"
    click.echo(f"{done} {frames} frames, {model.fps:g} a second", err=True)
    click.echo(delays.report(model.fps), err=True)
