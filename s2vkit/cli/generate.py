"""`s2vkit generate`: video from speech, with what a run has trained."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s2vkit.cli.generate_live import given, live_pair, show_live
from s2vkit.cli.generate_options import control_options, live_options, video_options
from s2vkit.cli.parameters import device_option, sign_option, track_option

if TYPE_CHECKING:
    from s2vkit.inference.generate import Generated


@click.command()
@click.argument("model", type=click.Path(path_type=Path, file_okay=False))
@click.argument("speech", type=click.Path(path_type=Path), metavar="SPEECH...", nargs=-1)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="VIDEO",
    help="The file to write (.mp4, .webm, .gif, .raw), a folder for several recordings, or - for raw "
    "frames on standard output; needed unless there is --window.",
)
@click.option(
    "--image",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PICTURE",
    help="A picture of the speaker's face, for a model that animates one.",
)
@control_options()
@video_options()
@live_options()
@track_option("audio")
@device_option()
@sign_option()
@click.option(
    "--no-mark", is_flag=True, help="Leave out the watermark and the signature; the run's warnings say so."
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def generate(
    model: Path,
    speech: tuple[Path, ...],
    output: Path | None,
    image: Path | None,
    size: int | None,
    fps: float | None,
    form: str | None,
    precision: str,
    batch: int,
    playable: bool,
    rate: int | None,
    microphone: str | None,
    window: bool,
    audio_track: int | None,
    device: str,
    sign_with: tuple[Path, Path] | None,
    no_mark: bool,
    force: bool,
    **asked: Any,
) -> None:
    """Make a talking-face video from SPEECH with the MODEL of a run.

    MODEL is a run folder, or a bundle: a self-contained copy of a run's folder `model`.
    SPEECH is a sound file, a video whose sound is taken, a folder of those, or - for standard
    input; several may be given. It may be of any length: the video is written while it is generated.
    It is marked as generated, by an invisible watermark and, if it is an MP4 file, a C2PA
    signature; `s2vkit verify` reads both.

    Speaker and emotion are recognised from the speech, unless they are given.
    """
    from s2vkit.inference.batch_job import generate_all
    from s2vkit.inference.generate import How, read_face
    from s2vkit.inference.marking import marker_of
    from s2vkit.inference.model import load_model
    from s2vkit.inference.outputs import PIPE, pair_up
    from s2vkit.inference.requests import Asked, steering_for

    if no_mark and sign_with:
        raise click.UsageError("--sign-with signs the video, and --no-mark leaves the signature out")
    begun = time.perf_counter()
    if rate is not None:
        pairs = [live_pair(speech, output, form, microphone is not None, window, force)]
    elif microphone is not None or window:
        raise click.UsageError("--microphone and --window go with --live")
    else:
        pairs = pair_up(*given(speech, output), form, force=force)
    if playable and (rate is not None or any(pair.output == PIPE or pair.form != "mp4" for pair in pairs)):
        raise click.UsageError("--playable is for MP4 files, and not for --live, which needs none")
    loaded = load_model(model, device=device, precision=precision)
    steering = steering_for(loaded, Asked(**asked))
    marking = None if no_mark else marker_of(loaded.path, sign_with=sign_with)
    how = How(size, fps, read_face(loaded, image), audio_track, marking, _show_progress, playable=playable)
    if rate is not None:
        show_live(loaded, pairs[0], steering, how, rate, microphone, time.perf_counter() - begun)
        return
    for made in generate_all(loaded, pairs, steering, how, batch=batch, say=_say):
        if no_mark and (model / "run.json").is_file():
            from s2vkit.runs.warning_log import Notes

            Notes(model).add(f"{made.path.name} was generated without marks (--no-mark)")
        _tell(made, to_stderr=output == PIPE)


def _tell(made: Generated, *, to_stderr: bool) -> None:
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    speed = made.seconds / made.took if made.took else 0.0
    click.echo(
        f"wrote {made.path}: {made.frames} frames, {made.fps:g} a second; the first after "
        f"{made.delay:.2f} s, {speed:.1f} times real time",
        err=to_stderr,
    )


def _say(message: str) -> None:
    click.echo(message, err=True)


def _show_progress(done: float, total: float) -> None:
    """Rewrite one line of a terminal."""
    if sys.stderr.isatty():
        share = min(1.0, done / total) if total else 1.0
        click.echo(f"\r{done:8.1f} of {total:.1f} s ({share:4.0%})\r", err=True, nl=False)
