"""`s2vkit export`: the model of a run in a format that other runtimes read."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder to write.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("onnx", "torch_export", "web")),
    default="onnx",
    show_default=True,
    help="onnx: for ONNX Runtime and others; torch_export: PyTorch's exported programs; web: a page that "
    "draws in a browser, offline.",
)
@click.option(
    "--precision",
    type=click.Choice(("fp32", "fp16", "int8")),
    help="What onnx stores the weights in (fp32), or the page (int8); both compute in fp32.",
)
@click.option(
    "--runtime",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="web: the npm package onnxruntime-web, if it is not in node_modules here or above.",
)
@click.option("--force", is_flag=True, help="Replace an export that is there.")
def export(
    model: Path, folder: Path, form: str, precision: str | None, runtime: Path | None, force: bool
) -> None:
    """Export the MODEL of a run for other runtimes.

    DIR gets a file for the encoder, for each student and for the generator, and export.json, which
    says how they are run. They take speech in pieces: what is carried from piece to piece comes in
    and goes out. The export is checked: it draws made-up speech as the model itself does, whole
    and in pieces, or nothing is written. With --format web, DIR is a page that draws speech from a
    microphone or a file; open its index.html.
    """
    from s2vkit.export.job import export_model

    made = export_model(model, folder, form=form, precision=precision, runtime=runtime, force=force)
    parity = made.parity
    for name, size in made.files.items():
        click.echo(f"{size:>12,}  {name}")
    click.echo(
        f"largest difference from the model's frames, in [-1, 1]: {parity.frames:.1e} ({parity.psnr:.0f} dB)"
    )
    click.echo(f"in pieces, from the whole: {parity.pieces:.1e}")
    click.echo(f"on one core: {parity.speed:.0f} frames a second, the model itself {parity.eager_speed:.0f}")
    click.echo(f"wrote {made.folder}")
