"""`s2vkit report`: the page of a run anew, or one page of several runs."""

from __future__ import annotations

from pathlib import Path

import click

from s2vkit.cli.parameters import command_line, runs_argument


@click.command()
@runs_argument()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PAGE",
    help="The page to write (.html); RUN/report.html for one run, comparison.html for several.",
)
@click.option(
    "--embed",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="MB",
    help="Megabytes of clips to embed in the page; the rest is played from the run folder.",
)
def report(runs: tuple[Path, ...], output: Path | None, embed: int) -> None:
    """Write the page of a RUN anew from the contents of its folder, or compare several RUNs on one page.

    A page opens from the disk and loads nothing from the network. One of several runs shows their figures
    with intervals, the same clips beside each other, curves overlaid, and what differs in the
    recipes.
    """
    from s2vkit.report.facts import open_run
    from s2vkit.report.page import write_page
    from s2vkit.report.shell import check_place

    embedded = embed * 1_000_000
    for run in runs:
        open_run(run, run)
    if len(runs) == 1:
        place = output or runs[0] / "report.html"
        if output:  # a run's own page is the run's to write, whatever version wrote it
            check_place(place)
        click.echo(f"wrote {_shown(write_page(runs[0], place, budget=embedded))}")
        return
    from s2vkit.benchmark.page import write_comparing_page
    from s2vkit.plugins import registry

    place = output or Path("comparison.html")
    check_place(place)
    command = command_line()
    page = write_comparing_page(list(runs), place, registry(), command=command, budget=embedded)
    click.echo(f"wrote {_shown(page)}")


def _shown(page: Path) -> str:
    """Name a page as one would from here."""
    here = Path.cwd().resolve()
    return str(page.relative_to(here) if page.is_relative_to(here) else page)
