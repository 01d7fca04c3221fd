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
@click.option(
    "--sign-with",
    type=(click.Path(path_type=Path), click.Path(path_type=Path)),
    metavar="CERT KEY",
    help="Sign with these certificates (PEM, the signer's first) and its key, not with local ones.",
)
@click.option(
    "--no-mark", is_flag=True, help="Leave out the watermark and the signature; the run's warnings say so."
)
@click.option("--force", is_flag=True, help="Write over a video that is there.")
def generate(
    model: Path,
    speech: Path,
    output: Path,
    image: Path | None,
    audio_track: int | None,
    device: str,
    sign_with: tuple[Path, Path] | None,
    no_mark: bool,
    force: bool,
) -> None:
    """Make a talking-face video from SPEECH with the MODEL of a run.

    MODEL is a run folder, or a bundle: a copy of a run's folder `model`, which stands alone.
    SPEECH is a sound file, or a video whose sound is taken. Its length does not matter:
    the video is written as it is drawn. It is marked as generated, by an invisible watermark
    and a C2PA signature; `s2vkit verify` reads both.
    """
    from s2vkit.inference.generate import generate as make

    if no_mark and sign_with:
        raise click.UsageError("--sign-with signs the video, and --no-mark leaves the signature out")
    result = make(
        model,
        speech,
        output,
        device=device,
        force=force,
        image=image,
        audio_track=audio_track,
        mark=not no_mark,
        sign_with=sign_with,
    )
    if no_mark and (model / "run.json").is_file():
        from s2vkit.runs.warning_log import Notes

        Notes(model).add(f"{result.path.name} was generated without marks (--no-mark)")
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"wrote {result.path}: {result.frames} frames, {result.fps:g} a second")
