"""`s2vkit benchmark`: how fast a model is on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from s2vkit.cli.parameters import device_option, json_option, precision_option


@click.command()
@click.argument("model", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--seconds",
    type=click.FloatRange(2, 3600),
    default=20.0,
    show_default=True,
    metavar="N",
    help="Seconds of synthetic speech to generate from.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="CPU threads to compute with.",
)
@precision_option()
@device_option()
@json_option()
def benchmark(model: Path, seconds: float, threads: int, precision: str, device: str, as_json: bool) -> None:
    """Measure how fast the MODEL of a run is on this machine.

    From a recording to an MP4 file, frames without a file, and the latency that computing adds
    while somebody speaks. Whatever else runs on the machine counts: its load is printed.
    """
    import torch

    from s2vkit.inference.model import load_model
    from s2vkit.inference.speed import measure_speed

    torch.set_num_threads(threads)
    found = measure_speed(load_model(model, device=device, precision=precision), seconds)
    click.echo(json.dumps(found, indent=1) if as_json else show_speed(found))


def show_speed(found: dict[str, Any]) -> str:
    """Lay out what `measure_speed` found, a line each."""
    machine, live = found["machine"], found["live"]
    load = "" if machine["load"] is None else f", load {machine['load']:.1f}"
    cores = f"{machine['threads']} of {machine['cores']} cores"
    rows = [
        f"{machine['system']}, {machine['computed_on']}, {cores}{load}",
        f"{found['seconds']:g} s of speech, {found['size']} px, {found['fps']:g} frames a second",
        f"from a recording to MP4    {found['file']['times_real_time']:8.1f} times real time",
        f"its first frame after      {found['file']['first_frame_ms']:8.0f} ms",
        f"frames without a file      {found['frames']['a_second']:8.0f} a second",
    ]
    if live is None:
        return "\n".join([*rows, "live                       not possible with this model"])
    spread = ", ".join(f"{name} {live[f'{name}_ms']:.1f}" for name in ("p50", "p95", "p99"))
    return "\n".join([*rows, f"live, computing of a frame    ms: {spread}; the first {live['first_ms']:.0f}"])
