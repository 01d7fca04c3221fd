"""`s2vkit demo`: a talking face at once, by the model that comes with the package."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("speech", type=click.Path(path_type=Path), required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo.mp4"),
    show_default=True,
    metavar="VIDEO",
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@click.pass_context
def demo(context: click.Context, speech: Path | None, output: Path, force: bool) -> None:
    """Make a talking-face video from SPEECH with the small model that comes with the package.

    SPEECH is an audio file, or a video whose audio is used; without it, a bundled sentence.
    The model knows eight synthetic people and six emotions, and shows the closest to the voice.
    """
    from s2vkit.cli.generate import generate
    from s2vkit.inference.demo import MODEL, SAMPLE, SIZE

    context.invoke(generate, model=MODEL, speech=(speech or SAMPLE,), output=output, size=SIZE, force=force)
    click.echo(
        f"the model is {MODEL}; choose by `s2vkit generate MODEL SPEECH --emotion happiness`, or train"
    )
    click.echo("one of your own: s2vkit run recipes/speech2video.yaml")
