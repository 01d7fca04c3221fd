"""`s2vkit runs`: which runs there are, and how far they are."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from s2vkit.cli.parameters import json_option
from s2vkit.cli.tables import print_table

_SHOWN = 4  # metrics of a run in the table
_SPANS = ((604800, "w"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@click.command("runs")
@click.argument(
    "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), metavar="[DIR]"
)
@json_option()
def runs(folder: Path, as_json: bool) -> None:
    """List the runs in DIR (`runs` if absent): state, stages, figures, size and age.

    A run is running, finished, failed (with the reason) or stopped; the command that started it
    resumes one that was stopped.
    """
    from s2vkit.runs.listing import list_runs

    found = list_runs(folder)
    if as_json:
        click.echo(json.dumps([run.as_data() for run in found], indent=2))
        return
    if not found:
        click.echo(f"{folder} holds no runs")
        return
    rows = [
        [
            str(run.path),
            run.state,
            f"{run.done}/{run.stages}",
            "  ".join(f"{name} {value:.3g}" for name, value in list(run.figures.items())[:_SHOWN]),
            f"{run.size / 1e6:.1f} MB",
            _age(time.time() - run.used),
        ]
        for run in found
    ]
    print_table(["run", "state", "stages", "figures", "size", "age"], rows)
    for run in found:
        if run.reason:
            click.echo(f"{run.path} failed: {run.reason}")


def _age(seconds: float) -> str:
    for span, name in _SPANS:
        if seconds >= span:
            return f"{int(seconds // span)} {name}"
    return "0 s"
