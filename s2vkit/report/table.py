"""The table of metrics, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

HEADINGS = ("metric", "generated", "real", "chance", "n", "definition")


def metric_rows(metrics: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the rows of metrics.json (name -> value, on_real, chance, n, definition)."""
    keys = ("value", "on_real", "chance", "n")
    return [
        (name, *(show(score.get(key)) for key in keys), str(score.get("definition") or ""))
        for name, score in metrics.items()
        if isinstance(score, Mapping)
    ]


def show(value: Any) -> str:
    """Write a figure with four digits, and nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def metrics_table(metrics: Mapping[str, Any], title: str = "metrics", *, definitions: bool = True) -> Table:
    """Make the table that a terminal shows, with how each figure is defined or without."""
    table = Table(title=title)
    headings = HEADINGS if definitions else HEADINGS[:-1]
    for heading in headings:
        numbers = heading in ("generated", "real", "chance", "n")
        table.add_column(heading, justify="right" if numbers else "left", no_wrap=heading != "definition")
    for row in metric_rows(metrics):
        table.add_row(*map(Text, row[: len(headings)]))
    return table


def metrics_markdown(metrics: Mapping[str, Any]) -> str:
    """Write the table as Markdown, ending in a new line."""
    rule = ("---", "---:", "---:", "---:", "---:", "---")
    rows = [HEADINGS, rule, *metric_rows(metrics)]
    return "".join(f"| {' | '.join(_cell(text) for text in row)} |\n" for row in rows)


def _cell(text: str) -> str:
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
