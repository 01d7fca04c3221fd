"""`s2vkit serve`: a model behind a page and an API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from s2vkit.cli.parameters import device_option, precision_option, sign_option

MISSING = "serving needs the packages of an extra: pip install 's2vkit[serve]'"


@click.command()
@click.argument("model", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The address to listen on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port; 0 takes any free one.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="A further name that clients may reach this server by, such as that of a proxy.",
)
@click.option(
    "--max-mb",
    type=click.FloatRange(0.001, 4096),
    default=64.0,
    show_default=True,
    help="The largest recording, in MB.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(1, 86400),
    default=600.0,
    show_default=True,
    help="The longest recording, or live utterance, in seconds.",
)
@click.option(
    "--max-sessions",
    type=click.IntRange(1, 1000),
    default=32,
    show_default=True,
    help="Most live sessions at once.",
)
@click.option(
    "--max-waiting",
    type=click.IntRange(1, 1000),
    default=16,
    show_default=True,
    help="Most recordings being generated or waiting.",
)
@click.option(
    "--idle",
    type=click.FloatRange(1, 86400),
    default=60.0,
    show_default=True,
    help="Seconds after which an idle session is closed.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 100000),
    default=60,
    show_default=True,
    help="Videos and sessions that one address may start per minute.",
)
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Threads that generate; by default one per core."
)
@precision_option()
@device_option()
@sign_option()
@click.option("--no-mark", is_flag=True, help="Leave out the watermark and the signature.")
def serve(
    model: Path,
    host: str,
    port: int,
    names: tuple[str, ...],
    workers: int | None,
    precision: str,
    device: str,
    sign_with: tuple[Path, Path] | None,
    no_mark: bool,
    **limits: Any,
) -> None:
    """Serve the MODEL of a run or a bundle: a page, an HTTP API and a WebSocket, on one port.

    It listens on this machine only, unless --host names another address; then clients need a token,
    which is printed at the start or taken from S2VKIT_TOKEN. docs/serve.md describes the API.
    """
    if no_mark and sign_with:
        raise click.UsageError("--sign-with signs the videos, and --no-mark leaves the signature out")
    from s2vkit.errors import ResourceError

    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        raise ResourceError(f"`s2vkit serve`: {error.name} is not installed", hint=MISSING) from error
    from s2vkit.serve.limits import Limits
    from s2vkit.serve.main import Serving
    from s2vkit.serve.main import serve as start

    how = Serving(host, port, names, device, precision, workers, not no_mark, sign_with, Limits(**limits))
    start(model, how, lambda text: click.echo(text, err=True))
