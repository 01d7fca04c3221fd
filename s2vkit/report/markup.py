"""Small pieces of HTML that the pages are made of; whatever is not Raw is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".mp4": "video/mp4"}


class Raw(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> str:
    """Return a value as HTML: Raw as it is, all else escaped."""
    return value if isinstance(value, Raw) else escape(str(value))


def table(headings: Iterable[str], rows: Iterable[Iterable[str]], numbers: set[int], mark: str = "") -> str:
    """Write a table as HTML; the columns `numbers` are right-aligned figures.

    `mark` is a class of the table. Wide ones scroll by themselves, the page never does.
    """

    def line(cells: Iterable[str], tag: str, more: str = "") -> str:
        marks = [' class="n"' if place in numbers else "" for place in range(64)]
        inside = "".join(
            f"<{tag}{more}{at}>{text(cell)}</{tag}>" for cell, at in zip(cells, marks, strict=False)
        )
        return f"<tr>{inside}</tr>"

    body = "\n".join(line(row, "td") for row in rows)
    head = line(headings, "th", ' scope="col"')
    kind = f' class="{mark}"' if mark else ""
    return (
        f'<div class="wide" tabindex="0"><table{kind}><thead>{head}</thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def folded(summary: str, inside: str, *, opened: bool = False) -> str:
    """Hide something behind a line that unfolds it."""
    state = " open" if opened else ""
    return f"<details{state}><summary>{text(summary)}</summary>\n{inside}</details>"


def data_uri(data: bytes, suffix: str) -> str:
    """Write a file's content into an address, so that a page needs no file beside it."""
    return f"data:{_TYPES[suffix]};base64,{base64.b64encode(data).decode('ascii')}"


def picture(path: Path, caption: str, describes: str) -> str:
    """Show a PNG, within the page itself; `describes` is its alternative text."""
    return (
        f'<figure><img alt="{escape(describes)}" src="{data_uri(path.read_bytes(), ".png")}">'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def number(value: Any) -> float | None:
    """Return a finite figure as a float; None for whatever is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < float("inf") else None


def span(seconds: float) -> str:
    """Write a length of time as people do: 9.5 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(count: float) -> str:
    """Write a number of bytes as MB or GB."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
