"""Tables: drawn on a terminal, plain aligned columns in a pipe. Nothing is ever cut short."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

Rows = Sequence[Sequence[str]]


def print_table(columns: Sequence[str], rows: Rows, *, title: str = "") -> None:
    """Print rows under their columns; rich is imported only for a terminal."""
    if not (sys.stdout.isatty() and _draw(columns, rows, title)):
        click.echo(plain(columns, rows, title), nl=False)


def plain(columns: Sequence[str], rows: Rows, title: str = "") -> str:
    """Lay rows out in columns two spaces apart, as wide as they need."""
    lines = [list(columns), *map(list, rows)]
    widths = _longest(columns, rows)
    text = [title] if title else []
    for line in lines:
        text.append("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())
    return "\n".join(text) + "\n"


def _longest(columns: Sequence[str], rows: Rows) -> list[int]:
    return [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]


def _draw(columns: Sequence[str], rows: Rows, title: str) -> bool:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    longest = _longest(columns, rows)  # the first columns are names: they stay in one piece
    narrowest = [min(w, 30 if number < 2 else 12) for number, w in enumerate(longest)]
    if sum(narrowest) + 2 * len(narrowest) + 2 > console.width:
        return False  # rich would drop whole columns
    table = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left")
    for column, width in zip(columns, narrowest, strict=True):
        table.add_column(column, overflow="fold", min_width=width)
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    console.print(table)
    return True
