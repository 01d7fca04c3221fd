"""A comparison as a table of the terminal, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from s2vkit.benchmark.comparison import Cell, Comparison, Difference, Drawing, Row
from s2vkit.benchmark.grouping import System

ARROWS = {"up": "↑", "down": "↓", "zero": "→0", "none": ""}
_NONE = "–"
ORDER = "Order, best first (> told apart on the same clips and seeds, ~ not)"
UNSEEN = (
    "Share of clips whose generated face has the attribute of the speaker. The face's attributes are "
    "those of the real person it is most alike, among all of training and all never heard: nearest "
    "by cosine, in what the evaluator `identity` sees, to the mean of up to 6 clips; on real: true "
    "faces, their own clip left out of the mean; chance: any of these people"
)
"""How agreement is measured."""


def digits(value: float | None) -> str:
    """Write a figure with four digits, a count as it is, and none as a dash."""
    if value is None:
        return _NONE
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:#.4g}" if abs(value) >= 0.001 else f"{value:.4f}"


def spread(values: Sequence[float | None]) -> str:
    """Write figures that should be one: the one, or from least to greatest."""
    found = sorted({digits(v) for v in values if v is not None}, key=float)
    return _NONE if not found else found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}"


def figure_of(cell: Cell | None) -> tuple[str, str]:
    """Write a cell's figure, and its interval in brackets."""
    if cell is None:
        return _NONE, ""
    inside = cell.interval
    return digits(cell.value), f"[{digits(inside.low)}, {digits(inside.high)}]" if inside else ""


def headings(comparison: Comparison) -> list[str]:
    """Return the headings: the metric, every system with its seeds, and what goes for all."""
    titles = [s.title for s in comparison.systems]
    if comparison.of_runs:
        titles = [f"{s.title} ({_count(len(s.runs), 'seed')})" for s in comparison.systems]
    return ["metric", *titles, "real", "chance", "n"]


def beside(row: Row) -> list[str]:
    """Return what stands right of the systems: on real, by chance, n."""
    there = [cell for cell in row.cells if cell is not None]
    return [
        spread([cell.on_real for cell in there]),
        spread([cell.chance for cell in there]),
        spread([cell.n for cell in there]),
    ]


def terminal(comparison: Comparison) -> Table:
    """Make the table that a terminal shows; the best of a row is bold."""
    table = Table(title=Text(caption(comparison)), title_justify="left")
    for place, heading in enumerate(headings(comparison)):
        table.add_column(Text(heading), justify="right" if place else "left", no_wrap=not place)
    for row in comparison.rows:
        cells = [Text(f"{row.metric} {ARROWS[row.better]}".strip())]
        for place, cell in enumerate(row.cells):
            value, inside = figure_of(cell)
            style = "bold" if place in row.best else ""
            cells.append(Text.assemble((value, style), (f"\n{inside}" if inside else "", "dim")))
        table.add_row(*cells, *(Text(text.replace(" to ", "\nto ")) for text in beside(row)))
    return table


def caption(comparison: Comparison) -> str:
    """Return the caption of the table."""
    split = f": clips of the split {comparison.split}" if comparison.split else ""
    return f"{comparison.title}{split}"


def markdown(comparison: Comparison) -> str:
    """Write table, differences, notes, definitions and the runs behind it as Markdown."""
    wide = len(headings(comparison)) - 1
    lines = [f"# {_md(caption(comparison))}", "", _md_row(headings(comparison))]
    lines.append("|---" + "|---:" * wide + "|")
    for row in comparison.rows:
        cells = [f"`{row.metric}` {ARROWS[row.better]}".strip()]
        cells += [_md_cell(cell, place in row.best) for place, cell in enumerate(row.cells)]
        lines.append(_md_row([*cells, *beside(row)], escaped=True))
    lines += ["", f"Bold: the best by the arrow. {legend(comparison)}"]
    lines += _listed(ORDER, (f"`{m}`: {_md(text)}" for m, text in comparison.orders().items()))
    lines += _listed("Differences on the same clips and seeds", map(sentence, comparison.differences))
    lines += _listed("To be kept in mind", map(_md, comparison.notes))
    lines += _listed("Figures", (_md_drawing(comparison, one) for one in comparison.drawings))
    lines += _unseen(comparison)
    lines += _listed("Definitions", (f"`{r.metric}`: {_md(r.definition)}" for r in comparison.rows))
    what = "The runs" if comparison.of_runs else "What is"
    lines += ["", f"## {what} behind every figure", "", f"A system is {comparison.system}.", ""]
    lines += ["| system | seed | run | its figures, its clips | made by |", "|---|---:|---|---|---|"]
    lines += [
        _md_run(comparison, system, number)
        for system in comparison.systems
        for number in range(len(system.runs))
    ]
    return "\n".join(lines) + "\n"


def legend(comparison: Comparison) -> str:
    """Describe how intervals were computed."""
    methods = {
        cell.interval.method
        for row in comparison.rows
        for cell in row.cells
        if cell is not None and cell.interval
    }
    if not methods:
        return "No intervals: there are no figures of single clips."
    means = " Figures are means over seeds." if comparison.of_runs else ""
    return f"In brackets: {'; '.join(sorted(methods))}.{means}"


def sentence(difference: Difference) -> str:
    """Describe how two systems differ, and whether the difference is significant."""
    found, inside = difference.found, difference.found.interval
    how = {
        "above": f"{difference.first} above {difference.second}",
        "below": f"{difference.first} below {difference.second}",
        "not told apart": f"{difference.first} and {difference.second} are not told apart",
    }[difference.claim]
    return (
        f"`{difference.metric}`: {_md(how)}: {found.value:+.4g} "
        f"[{inside.low:+.4g}, {inside.high:+.4g}] "
        f"({_count(found.seeds, 'seed')}, {_count(found.clips, 'pair')} of clips)"
    )


def _md_run(comparison: Comparison, system: System, number: int) -> str:
    run = system.runs[number]
    files = [run.place / name for name in ("metrics.json", "clips.csv")]
    there = [f"`{comparison.place(path)}`" for path in files if path.is_file()]
    folder = f"`{comparison.place(run.folder)}`"
    cells = [_md(system.title), str(run.seed), folder, ", ".join(there)]
    return _md_row([*cells, f"`{run.command}`"], escaped=True)


def _md_drawing(comparison: Comparison, one: Drawing) -> str:
    runs = ", ".join(f"`{comparison.place(run)}`" for run in one.runs)
    clips = ", ".join(f"`{clip}`" for clip in one.clips)
    return f"[{one.file}]({one.file}): {_md(one.shows)}. Drawn from {runs}; clips: {clips}"


def _unseen(comparison: Comparison) -> list[str]:
    if not comparison.unseen:
        return []
    head = ("system", "seed", "attribute", "generated", "on real", "chance", "clips", "voices")
    lines = ["", "## Faces of unseen speakers", ""]
    lines += [f"{UNSEEN}.", "", _md_row(head), "|---|---:|---|" + "---:|" * 5]
    for found in comparison.unseen:
        shares = [digits(share) for share in (found.generated, found.on_real, found.chance)]
        counts = [str(found.clips), str(found.speakers)]
        lines.append(_md_row([found.system, str(found.seed), found.attribute, *shares, *counts]))
    return lines


def _listed(title: str, lines: object) -> list[str]:
    found = [f"- {line}" for line in lines]  # type: ignore[attr-defined]
    return ["", f"## {title}", "", *found] if found else []


def _md_cell(cell: Cell | None, best: bool) -> str:
    value, inside = figure_of(cell)
    return f"{f'**{value}**' if best else value} {inside}".strip()


def _md_row(cells: Sequence[str], escaped: bool = False) -> str:
    texts = [cell.replace("|", "\\|") if escaped else _md(cell) for cell in cells]
    return f"| {' | '.join(texts)} |"


def _md(text: str) -> str:
    for mark in "\\|*_<`[]":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def csv_table(comparison: Comparison) -> str:
    """Write a line a metric and system, with everything that is known of the figure."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        [
            "metric",
            "better",
            "system",
            "value",
            "low",
            "high",
            "interval",
            "on_real",
            "chance",
            "n",
            "clips",
            "seeds",
            "of_seeds",
            "best",
            "split",
            "remark",
            "definition",
        ]
    )
    for row in comparison.rows:
        for place, (system, cell) in enumerate(zip(comparison.systems, row.cells, strict=True)):
            rows.writerow(
                [
                    row.metric,
                    row.better,
                    system.title,
                    *_csv(row, place, cell),
                    comparison.split,
                    row.refused or (cell.why if cell else "not measured"),
                    row.definition,
                ]
            )
    return text.getvalue()


def _csv(row: Row, place: int, cell: Cell | None) -> list[object]:
    if cell is None:
        return [""] * 11
    inside = cell.interval
    edges = [inside.low, inside.high, inside.method] if inside else ["", "", ""]
    seeds = "; ".join(f"{seed}: {value}" for seed, value in cell.of_seeds.items())
    return [
        cell.value,
        *edges,
        cell.on_real,
        cell.chance,
        cell.n,
        cell.clips,
        len(cell.of_seeds),
        seeds,
        "yes" if place in row.best else "no",
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
