"""`s2vkit bundle`: the model of a run as a folder to share."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--half", is_flag=True, help="Store the weights as fp16, at half the size.")
@click.option("--licence", default="", metavar="TEXT", help="The licence, for the model card.")
@click.option(
    "--consent", default="", metavar="TEXT", help="What the people shown consented to, for the model card."
)
@click.option("--force", is_flag=True, help="Replace a bundle that is there.")
def bundle(run: Path, folder: Path, half: bool, licence: str, consent: str, force: bool) -> None:
    """Write the finished model of RUN to DIR as a folder to share.

    It has the layout that model hubs expect: README.md (a model card), config.json,
    model.safetensors, recipe.yaml, metrics.json, sample.mp4 and SHA256SUMS. `s2vkit generate`
    and `s2vkit.load` accept it in place of a run.
    """
    from s2vkit.report.bundling import bundle_run
    from s2vkit.report.model_card import CardOptions

    made = bundle_run(run, folder, half=half, force=force, card=CardOptions(licence, consent))
    for name, size in made.files.items():
        click.echo(f"{size:>12,}  {name}")
    click.echo(f"wrote {made.folder}")
