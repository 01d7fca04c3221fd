"""Printing a comparison in the form asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from s2vkit.benchmark.comparison import Comparison
from s2vkit.benchmark.formats import ORDER, legend, terminal
from s2vkit.benchmark.groups import GROUP_HEADS, figures_by, group_rows, write_groups
from s2vkit.benchmark.provenance import json_text
from s2vkit.benchmark.writers import FORMATS

_WIDE = 160  # columns where there is no terminal


def show(comparison: Comparison, form: str = "table", command: str = "") -> None:
    """Print a table, or Markdown, CSV, LaTeX or JSON as it would be written."""
    if form == "json":
        sys.stdout.write(json_text(comparison, command))
    elif form in FORMATS:
        sys.stdout.write(FORMATS[form][1](comparison))
    else:
        print_table(comparison, Console())


def show_groups(comparison: Comparison, labels: Sequence[str], output: Path | None) -> None:
    """Print every figure by the values of labels, and write them into `output`.

    Raises RunFolderError if no clip has a label.
    """
    found = [figure for label in labels for figure in figures_by(comparison, label)]
    if not found:
        return
    table = Table(title="By group", title_justify="left")
    for heading in GROUP_HEADS:
        table.add_column(heading, justify="right" if heading in ("clips", "figure") else "left")
    for row in group_rows(found):
        table.add_row(*map(Text, row))
    widened(Console(), _WIDE).print(table)
    if output is not None:
        write_groups(found, output)


def print_table(comparison: Comparison, console: Console) -> None:
    """Print the table, what is told apart, and what is to be kept in mind."""
    console = widened(console, _WIDE)
    console.print(terminal(comparison))
    console.print(Text(legend(comparison), "dim"))
    orders = comparison.orders()
    if orders:
        console.print(Text(f"{ORDER}:"))
    for metric, text in orders.items():
        console.print(Text(f"  {metric}: {text}"))
    for note in comparison.notes:
        console.print(Text(f"note: {note}", "yellow"))


def widened(console: Console, width: int) -> Console:
    """Return a console of so many columns where there is no terminal: a file or a pipe has no width."""
    return console if console.is_terminal else Console(file=console.file, width=width, no_color=True)
