"""The analysis of a study as tables: for the terminal, as Markdown, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

Row = tuple[str, ...]
STRENGTHS: Row = ("system", "strength", "95 % interval", "won", "lost", "tied")
PAIRS: Row = ("system", "over", "preferred", "95 % interval")


def strength_rows(question: dict[str, Any]) -> list[Row]:
    """Return the systems of a question, the most preferred first."""
    ranked = sorted(question["systems"], key=lambda s: -s["strength"])
    return [
        (
            s["system"],
            f"{s['strength']:+.2f}",
            f"{s['low']:+.2f} to {s['high']:+.2f}",
            str(s["wins"]),
            str(s["losses"]),
            str(s["ties"]),
        )
        for s in ranked
    ]


def pair_rows(question: dict[str, Any]) -> list[Row]:
    """Return how often each system is preferred to each other, by the model."""
    return [
        (p["system"], p["over"], f"{p['preferred']:.0%}", f"{p['low']:.0%} to {p['high']:.0%}")
        for p in question["pairs"]
    ]


def matrix_rows(question: dict[str, Any]) -> tuple[Row, list[Row]]:
    """Return the heading and rows of the matrix of wins; ties are set behind in brackets."""
    wins = question["wins"]
    rows: list[Row] = []
    for i, name in enumerate(wins["systems"]):
        cells = [
            "–" if i == j else f"{won} ({wins['ties'][i][j]})" for j, won in enumerate(wins["counts"][i])
        ]
        rows.append((name, *cells))
    return ("preferred (tied) to", *wins["systems"]), rows


def notes(question: dict[str, Any]) -> list[str]:
    """Describe in words what is not in the tables."""
    lines = [
        f"{question['votes']} votes of {question['raters']} raters, "
        f"{question['median_seconds']:.1f} s each in the median"
    ]
    alike = question["agreement"]
    if alike["compared"]:
        lines.append(
            f"two raters agreed on a pair in {alike['share']:.0%} of {alike['compared']} "
            f"meetings ({alike['chance']:.0%} by chance)"
        )
    else:
        lines.append("no pair was rated by two raters, so agreement is unknown")
    if question["left_of_decided"] is not None:
        lines.append(f"the left clip was preferred in {question['left_of_decided']:.0%} of choices")
    return lines + [f"note: {flag}" for flag in question["flags"]]


def lines_of(found: dict[str, Any]) -> list[str]:
    """Describe what became of the rows, and how the figures were computed."""
    lines = [f"{found['rows']} rows, {found['votes']} votes of {found['raters']} raters"]
    if found["replaced"]:
        lines.append(
            f"{found['replaced']} earlier votes of the same rater, pair and question "
            "were replaced by the last"
        )
    lines += [f"rejected: {count} ({reason})" for reason, count in found["rejected"].items()]
    lines += [
        f"inattentive: {rater}, {right} checks answered rightly"
        for rater, right in found["inattentive"].items()
    ]
    return [*lines, found["method"], f"intervals: {found['intervals']}"]


def print_analysis(found: dict[str, Any], console: Console) -> None:
    """Print everything as rich tables."""
    for question in found["questions"].values():
        console.print(Text(f"\n{question['text']}", style="bold"))
        heading, matrix = matrix_rows(question)
        for title, columns, rows in (
            ("strength", STRENGTHS, strength_rows(question)),
            ("how often preferred, by the model", PAIRS, pair_rows(question)),
            ("votes", heading, matrix),
        ):
            console.print(_rich(title, columns, rows))
        for line in notes(question):
            console.print(escape(line), highlight=False)
    console.print()
    for line in lines_of(found):
        console.print(escape(line), highlight=False)


def _rich(title: str, columns: Row, rows: Sequence[Row]) -> Table:
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        words = place == 0 or column == "over"
        table.add_column(Text(column), justify="left" if words else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def as_markdown(found: dict[str, Any]) -> str:
    """Write everything as Markdown."""
    lines = ["# What the raters preferred"]
    for question in found["questions"].values():
        lines += ["", f"## {question['text']}"]
        for columns, rows in (
            (STRENGTHS, strength_rows(question)),
            (PAIRS, pair_rows(question)),
            matrix_rows(question),
        ):
            lines += ["", *_markdown(columns, rows)]
        lines += ["", *(f"- {line}" for line in notes(question))]
    lines += ["", "## How", "", *(f"- {line}" for line in lines_of(found))]
    return "\n".join(lines) + "\n"


def _markdown(columns: Row, rows: Sequence[Row]) -> Iterator[str]:
    yield _line(columns)
    yield _line(["---"] + ["---:"] * (len(columns) - 1))
    yield from map(_line, rows)


def _line(cells: Sequence[str]) -> str:
    clean = (" ".join(cell.replace("|", "\\|").split()) for cell in cells)
    return f"| {' | '.join(clean)} |"


def as_csv(found: dict[str, Any]) -> str:
    """Write the strengths as CSV: a row for each question and system."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    keys = ("system", "strength", "low", "high", "wins", "losses", "ties")
    writer.writerow(["question", *keys])
    for name, question in found["questions"].items():
        writer.writerows([name, *(s[key] for key in keys)] for s in question["systems"])
    return out.getvalue()
