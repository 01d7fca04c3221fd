"""Figures by groups of clips: of each value of a label, with intervals, and the worst group."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from s2vkit.benchmark.comparison import Comparison, Row, merit
from s2vkit.benchmark.formats import digits
from s2vkit.benchmark.grouping import System
from s2vkit.errors import RunFolderError
from s2vkit.files import write_json, write_text
from s2vkit.report.intervals import Interval, clip_interval

_LEAST = 2  # clips of which an interval says anything
GROUP_HEADS = ("metric", "system", "group", "clips", "figure", "interval", "")


@dataclass(frozen=True)
class GroupFigure:
    """A metric of one system's clips that bear one value of a label."""

    metric: str
    system: str
    label: str
    group: str
    clips: int  # of all seeds together
    value: float
    interval: Interval | None
    worst: bool


def figures_by(comparison: Comparison, label: str) -> list[GroupFigure]:
    """Return every figure by the values of a label, the worst group of each marked.

    Metrics of which neither direction is better have no worst group; those without figures of
    single clips are left out. Raises RunFolderError if no clip bears the label.
    """
    labels = {system.title: _labels(system, label) for system in comparison.systems}
    if not any(any(of_clip.values()) for of_clip in labels.values()):
        known = sorted({name for system in comparison.systems for name in _label_names(system)})
        raise RunFolderError(
            f"no clip has a label '{label}'", hint=f"labels that are there: {', '.join(known) or 'none'}"
        )
    return [
        figure
        for row in comparison.rows
        if not row.refused
        for system in comparison.systems
        for figure in _of_system(row, system, label, labels[system.title])
    ]


def _of_system(row: Row, system: System, label: str, labels: dict[str, str]) -> list[GroupFigure]:
    measured = {run.seed: run.figures[row.metric] for run in system.runs if row.metric in run.figures}
    if not measured:
        return []
    over = next(iter(measured.values())).over
    found = []
    for group in sorted(set(labels.values()) - {""}):
        of_seeds = {
            seed: {clip: value for clip, value in figure.clips.items() if labels.get(clip) == group}
            for seed, figure in measured.items()
        }
        of_seeds = {seed: clips for seed, clips in of_seeds.items() if clips}
        if of_seeds:
            value = fmean((median if over == "median" else fmean)(c.values()) for c in of_seeds.values())
            count = sum(map(len, of_seeds.values()))
            interval = clip_interval(of_seeds, over) if count >= _LEAST else None
            found.append(GroupFigure(row.metric, system.title, label, group, count, value, interval, False))
    return _marked(found, row.better)


def _marked(found: list[GroupFigure], better: str) -> list[GroupFigure]:
    if better == "none" or len(found) < 2:
        return found
    merits = [merit(figure.value, better) for figure in found]
    worst = min(merits) if min(merits) < max(merits) else None
    return [replace(figure, worst=one == worst) for figure, one in zip(found, merits, strict=True)]


def _rows(system: System) -> list[dict[str, str]]:
    found = []
    for run in system.runs:
        path = run.place / "clips.csv"
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                found += list(csv.DictReader(file))
    return found


def _labels(system: System, label: str) -> dict[str, str]:
    return {row["clip"]: row.get(f"label.{label}") or "" for row in _rows(system)}


def _label_names(system: System) -> set[str]:
    heads = {head for row in _rows(system) for head in row if head}
    return {head.removeprefix("label.") for head in heads if head.startswith("label.")}


def group_rows(found: Sequence[GroupFigure]) -> list[list[str]]:
    """Write figures by group as the rows of a table."""
    return [
        [
            one.metric,
            one.system,
            f"{one.label} {one.group}",
            str(one.clips),
            digits(one.value),
            f"[{digits(one.interval.low)}, {digits(one.interval.high)}]" if one.interval else "–",
            "worst" if one.worst else "",
        ]
        for one in found
    ]


def groups_markdown(found: Sequence[GroupFigure]) -> str:
    """Write figures by group as Markdown."""
    lines = [f"| {' | '.join(GROUP_HEADS)} |", "|---|---|---|---:|---:|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in group_rows(found)]
    return "\n".join(lines) + "\n"


def write_groups(found: Sequence[GroupFigure], folder: Path) -> None:
    """Write `groups.md` and `groups.json` into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "groups.md", groups_markdown(found))
    rows: list[dict[str, Any]] = [asdict(one) for one in found]
    write_json(folder / "groups.json", rows)
