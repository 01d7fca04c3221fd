"""Preparing a corpus as a user sees it: what was found, the progress, the outcome."""

from __future__ import annotations

import threading
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from s2vkit.data.corpus import FootageCorpus
from s2vkit.data.extraction.kinds import REASONS
from s2vkit.data.preparation.outcome import REPORT, read_report, summary
from s2vkit.data.preparation.ranks import Rank
from s2vkit.engine.stop import Stopped, stop_flag
from s2vkit.engine.view import View
from s2vkit.errors import InputError
from s2vkit.files import naming_full_disk
from s2vkit.interfaces.dataset import Survey

_SHOWN = 3  # names of a kind that are told


def prepare_corpus(
    corpus: FootageCorpus, *, console: Console, workers: int, rank: Rank, max_rejected: float
) -> None:
    """Prepare a corpus and print what became of every file, by reason.

    Raises InputError if too many files are rejected, Stopped when asked to stop.
    """
    with naming_full_disk(corpus.folder), stop_flag() as stopped:
        if not corpus.ready:
            show_survey(corpus.footage.survey(), corpus, console)
        try:
            whole = _prepare(corpus, console, workers, rank, max_rejected, stopped)
        except InputError:
            show_outcome(corpus.folder, console)
            raise
    if whole:
        show_outcome(corpus.folder, console)
        more = corpus.unknown_videos()
        if more > 0:
            console.print(
                f"note: the root holds {more} more videos than this corpus was made of; "
                "for those too, prepare into another folder",
                highlight=False,
            )
        console.print(f"the corpus is in {escape(str(corpus.folder))}", highlight=False)
    else:
        console.print(
            f"rank {rank.number} of {rank.of} has done its share; whoever is last makes the "
            f"corpus in {escape(str(corpus.folder))} whole",
            highlight=False,
        )


def _prepare(
    corpus: FootageCorpus,
    console: Console,
    workers: int,
    rank: Rank,
    max_rejected: float,
    stopped: threading.Event,
) -> bool:
    view = View(console)

    def progress(done: int, total: int) -> None:
        if stopped.is_set():
            raise Stopped
        view.advance(done, total)

    with view:
        view.begin("cutting clips")
        whole = corpus.prepare(workers=workers, progress=progress, rank=rank, max_rejected=max_rejected)
        view.end()
    return whole


def show_survey(survey: Survey, corpus: FootageCorpus, console: Console) -> None:
    """Print what was found in the root folder, and what is missing or extra."""
    expected = f" of {survey.expected:,}" if survey.expected else ""
    lines = [f"{corpus.name} in {corpus.options.root}: {survey.found:,}{expected} videos"]
    lines += [f"missing: {_some(survey.missing)}"] if survey.missing else []
    lines += [f"not of the corpus: {_some(survey.extra)}"] if survey.extra else []
    lines += [f"note: {note}" for note in survey.notes]
    if survey.missing and survey.source:
        lines.append(f"the corpus comes from {survey.source}")
    lines += [f"licence: {survey.licence}"] if survey.licence else []
    for line in lines:
        console.print(escape(line), highlight=False)


def show_outcome(folder: Path, console: Console) -> None:
    """Print how many files were prepared, and how many rejected for each reason."""
    if not (folder / REPORT).is_file():
        return
    table = Table(title=f"what became of every file ({REPORT})", title_justify="left")
    for heading, justify in (
        ("outcome", "left"),
        ("files", "right"),
        ("clips", "right"),
        ("hours", "right"),
        ("meaning", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    total = [0, 0, 0.0]
    for what, files, clips, hours in summary(read_report(folder)):
        meaning = REASONS.get(what, "clips were made of it")
        style = "green" if what == "prepared" else "yellow"
        table.add_row(what, f"{files:,}", f"{clips:,}", f"{hours:.2f}", meaning, style=style)
        total = [total[0] + files, total[1] + clips, total[2] + hours]
    table.add_row("all", f"{total[0]:,}", f"{total[1]:,}", f"{total[2]:.2f}", "", style="bold")
    console.print(table)


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
