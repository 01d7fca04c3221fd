"""`s2vkit demo`: a talking face at once, by the model that comes with the package."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("speech", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo.mp4"),
    show_default=True,
    metavar="VIDEO",
    help="The file to write.",
)
@click.option("--identity", metavar="NAME", help="Show this person, 1001 to 1008.")
@click.option("--emotion", metavar="NAME", help="Show this emotion, for example happiness=0.7.")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def demo(speech: Path | None, output: Path, identity: str | None, emotion: str | None, force: bool) -> None:
    """Make a talking-face video from SPEECH with the small model that comes with the package.

    SPEECH is an audio file, or a video whose audio is used; without it, a bundled sentence.
    The model knows eight synthetic people and six emotions, and shows the closest to the voice,
    unless others are given.
    """
    from s2vkit.inference.demo import MODEL, SAMPLE, draw_demo
    from s2vkit.inference.requests import Asked

    made, shown = draw_demo(speech or SAMPLE, output, Asked(identity, emotion), force=force)
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"wrote {made.path}: {made.frames} frames; person {shown.identity}, {shown.emotion}")
    click.echo(f"the model is {MODEL}, for `s2vkit generate`; `s2vkit run` trains one of your own")
