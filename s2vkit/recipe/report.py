"""Problems of a recipe, and the one report that shows them all, as a compiler would."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from s2vkit.errors import RecipeError
from s2vkit.recipe.nodes import Path, Place, Source, dotted

_MAX_CELLS = 110  # longer lines are shown around what is wrong in them


@dataclass(frozen=True)
class Problem:
    """Something wrong, where it is written, and what may help."""

    place: Place
    path: Path
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where, place = self.place.source.name, self.place
        if place.line:
            where += f":{place.line}:{place.column}"
        parts = [where, dotted(self.path), self.message] if self.path else [where, self.message]
        lines = [_shown(": ".join(parts)), *_gutter(place)]
        if self.hint:
            lines.append(f"      = {_shown(self.hint)}")
        return "\n".join(lines)


@dataclass
class Problems:
    """Collects problems; they are raised together."""

    found: list[Problem] = field(default_factory=list)
    reported: set[tuple[Place, str]] = field(default_factory=set)
    spoilt: set[tuple[Source, int, int]] = field(default_factory=set)

    def add(self, place: Place, path: Path, message: str, hint: str = "") -> None:
        """Add one problem, unless the same was found before (by way of an alias)."""
        spoilt = (place.source, place.line, place.column) in self.spoilt
        if (place, message) not in self.reported and not spoilt:
            self.reported.add((place, message))
            self.found.append(Problem(place, path, message, hint))

    def close_reading(self) -> None:
        """Suppress further problems of values that could not be read."""
        places = (problem.place for problem in self.found)
        self.spoilt = {(p.source, p.line, p.column) for p in places if p.line}

    def raise_any(self, name: str) -> None:
        """Raise RecipeError with the whole report if there is any problem."""
        if self.found:
            raise RecipeError(render(self.found, name))


def render(problems: Iterable[Problem], name: str) -> str:
    """Write the report, sorted by place, with the count at its end."""
    ordered = sorted(problems, key=lambda p: (p.place.source.rank, p.place.line, p.place.column, p.message))
    count = f"{len(ordered)} problem{'s' if len(ordered) != 1 else ''}"
    return "\n".join([*map(str, ordered), f"{count} in {name}; nothing was run."])


def _gutter(place: Place) -> list[str]:
    if not place.line or place.line > len(place.source.lines):
        return []
    text = place.source.lines[place.line - 1]
    start = min(place.column - 1, len(text))
    end = min(start + place.width, start + _MAX_CELLS // 2, len(text))
    before, marked, after = (_shown(t) for t in (text[:start], text[start:end], text[end:]))
    before, after = _cut(before, marked, after)
    caret = " " * _cells(before) + "^" * max(1, _cells(marked))
    return [f"{place.line:>5} | {before}{marked}{after}".rstrip(), f"      | {caret}"]


def _cut(before: str, marked: str, after: str) -> tuple[str, str]:
    cells = max(20, _MAX_CELLS - _cells(marked))
    if _cells(before) + _cells(after) <= cells:
        return before, after
    if _cells(before) > cells // 2:
        before = "..." + before[-(cells // 2) :]
    if _cells(after) > cells // 2:
        after = after[: cells // 2] + "..."
    return before, after


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text.replace("\t", "    "))


def _cells(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
