"""`s2vkit generate`: video from speech, with what a run has trained."""

from __future__ import annotations

from pathlib import Path

import click

from s2vkit.cli.parameters import device_option, track_option


@click.command()
@click.argument("model", type=click.Path(path_type=Path, file_okay=False))
@click.argument("speech", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="VIDEO",
    help="The video to write (.mp4).",
)
@click.option(
    "--image",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PICTURE",
    help="A picture of the speaker's face, for a model that animates one.",
)
@track_option("audio")
@device_option()
@click.option("--force", is_flag=True, help="Write over a video that is there.")
def generate(
    model: Path,
    speech: Path,
    output: Path,
    image: Path | None,
    audio_track: int | None,
    device: str,
    force: bool,
) -> None:
    """Make a talking-face video from SPEECH with the MODEL of a run.

    MODEL is a run folder, or a bundle: a copy of a run's folder `model`, which stands alone.
    SPEECH is a sound file, or a video whose sound is taken. Its length does not matter:
    the video is written as it is drawn.
    """
    from s2vkit.inference.generate import generate as make

    result = make(model, speech, output, device=device, force=force, image=image, audio_track=audio_track)
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"wrote {result.path}: {result.frames} frames, {result.fps:g} a second")
