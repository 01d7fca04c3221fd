"""`s2vkit inspect`: what is in a prepared corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from s2vkit.cli.parameters import json_option

_SHOWN = 24  # values of a label that are listed


@click.command()
@click.argument("corpus", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where inspect.html and faces.png go; by default the corpus itself.",
)
@click.option(
    "--faces",
    type=click.IntRange(1, 400),
    default=48,
    show_default=True,
    metavar="N",
    help="Clips in the contact sheet.",
)
@click.option(
    "--clips",
    type=click.IntRange(0, 50),
    default=6,
    show_default=True,
    metavar="N",
    help="Clips that the page plays.",
)
@json_option()
def inspect(corpus: Path, output: Path | None, faces: int, clips: int, as_json: bool) -> None:
    """Show what is in the prepared CORPUS, and write a page of it.

    Counts by split, speaker and emotion, what became of every file, and problems; the page shows
    the faces, and a few clips with the waveforms of their speech. It loads nothing from the network.
    """
    from s2vkit.data.facts import open_corpus, overview, problems, spread

    store = open_corpus(corpus)
    facts = overview(store)
    facts["problems"] = problems(store, spread(store, faces))
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    _print(facts)

    from s2vkit.report.corpus_page import write_corpus_page

    page = write_corpus_page(store, facts, output or corpus, faces=faces, clips=clips)
    click.echo(f"\nlook at {page}")


def _print(facts: dict[str, Any]) -> None:
    from s2vkit.cli.tables import print_table

    click.echo(
        f"{facts['folder']}: {facts['clips']:,} clips, {facts['hours']:.2f} h, "
        f"{facts['size']} x {facts['size']} at {facts['fps']:g} frames/s, "
        f"{facts['sample_rate']:,} Hz\n"
    )
    split = ["splits"] if facts["splits"] else []  # footage is split by each run
    columns = ("clips", "minutes", *(["train / val / test"] if split else []))
    for label in (*split, *facts["labels"]):
        rows = [row[: len(columns) + 1] for row in counted_rows(facts[label])]
        more = (
            [("...", f"{len(rows) - _SHOWN:,} more", *[""] * (len(columns) - 1))]
            if len(rows) > _SHOWN
            else []
        )
        name = "split" if label == "splits" else label
        print_table((name, *columns), [*rows[:_SHOWN], *more])
        click.echo()
    if facts["outcomes"]:
        became = [(str(o["outcome"]), f"{o['files']:,}") for o in facts["outcomes"]]
        print_table(("outcome", "files"), became)
        click.echo()
    for problem in facts["problems"]:
        click.echo(f"problem: {problem}")
    if not facts["problems"]:
        click.echo("no problem was found")


def counted_rows(counts: dict[str, dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Lay counts out as rows: value, clips, minutes, clips of each split."""
    return [
        (
            value,
            f"{c['clips']:,}",
            f"{c['seconds'] / 60:.1f}",
            " / ".join(str(c["by_split"].get(s, 0)) for s in ("train", "val", "test")),
        )
        for value, c in counts.items()
    ]
