"""The comparison itself: every metric of every system, and how systems differ."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from statistics import fmean

from s2vkit.benchmark.finished_runs import Figure
from s2vkit.benchmark.grouping import SAME, System, better, check_conditions, refusal
from s2vkit.registry import Registry
from s2vkit.report.intervals import Interval, Paired, clip_interval, paired

_SAME_EVALUATOR = 1e-6


@dataclass(frozen=True)
class Cell:
    """A metric of a system: the mean over seeds, and where it lies."""

    value: float
    interval: Interval | None
    of_seeds: dict[int, float | None]
    on_real: float | None
    chance: float | None
    n: int  # as the metric counts, of one seed
    clips: int  # with a figure of their own, of all seeds together
    why: str = ""  # why there is no interval


@dataclass(frozen=True)
class Row:
    """A metric of all systems."""

    metric: str
    better: str
    definition: str
    cells: tuple[Cell | None, ...]  # by system; None: that one does not have it
    refused: str = ""  # why they cannot stand side by side; then there are no cells

    @property
    def best(self) -> set[int]:
        """Return the places of the best systems, none where no way is better or all are equal."""
        there = {i: cell.value for i, cell in enumerate(self.cells) if cell is not None}
        if self.better == "none" or len(there) < 2:
            return set()
        mark = {i: merit(value, self.better) for i, value in there.items()}
        best = {i for i, value in mark.items() if value == max(mark.values())}
        return best if len(best) < len(there) else set()


@dataclass(frozen=True)
class Difference:
    """A metric of one system less that of another, on the same clips and seeds."""

    metric: str
    first: str
    second: str
    found: Paired
    better: str

    @property
    def claim(self) -> str:
        """Describe which figure is greater, if the interval excludes 0."""
        low, high = self.found.interval.low, self.found.interval.high
        return "above" if low > 0 else "below" if high < 0 else "not told apart"


@dataclass(frozen=True)
class Drawing:
    """A figure: what it shows, and what it was drawn from."""

    file: str
    shows: str
    runs: tuple[Path, ...]
    clips: tuple[str, ...]


@dataclass(frozen=True)
class Agreement:
    """How often faces generated for unseen speakers have a known attribute of the speaker."""

    system: str
    attribute: str
    generated: float  # share of clips
    on_real: float
    chance: float
    clips: int
    speakers: int
    seed: int


@dataclass(frozen=True)
class Comparison:
    """Everything that a table shows."""

    title: str
    split: str
    systems: tuple[System, ...]
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    base: Path = Path()  # the folder that paths are told from
    drawings: tuple[Drawing, ...] = ()
    unseen: tuple[Agreement, ...] = ()
    system: str = SAME  # what is one system

    @property
    def of_runs(self) -> bool:
        """Whether systems are runs at several seeds, not videos of any source."""
        return self.system == SAME

    def orders(self) -> dict[str, str]:
        """Return each metric's systems from best to worst: `>` where two are told apart, else `~`.

        Two are told apart where the interval of their difference leaves 0 out. Metrics of which
        neither greater nor smaller is better have no order.
        """
        return {
            row.metric: self._order(row)
            for row in self.rows
            if row.better in ("up", "down") and sum(cell is not None for cell in row.cells) > 1
        }

    def _order(self, row: Row) -> str:
        there = [
            (merit(cell.value, row.better), system.title)
            for cell, system in zip(row.cells, self.systems, strict=True)
            if cell is not None
        ]
        titles = [title for _, title in sorted(there, key=lambda entry: -entry[0])]
        apart = {
            frozenset((d.first, d.second))
            for d in self.differences
            if d.metric == row.metric and d.claim != "not told apart"
        }
        text = titles[0]
        for before, after in pairwise(titles):
            text += f" {'>' if frozenset((before, after)) in apart else '~'} {after}"
        return text

    def place(self, path: Path) -> str:
        """Return a path relative to the base."""
        return Path(os.path.relpath(path.resolve(), self.base.resolve())).as_posix()


def compare(
    systems: Sequence[System],
    registry: Registry,
    title: str = "Table 1",
    base: Path | None = None,
    *,
    system: str = SAME,
) -> Comparison:
    """Set systems side by side; `system` says what one is.

    Raises RunFolderError if corpus, split or clips differ.
    """
    check_conditions(systems)
    names = list(dict.fromkeys(n for s in systems for run in s.runs for n in run.figures))
    rows = [row_of(name, systems, registry) for name in names]
    differences = [
        Difference(row.metric, one.title, other.title, found, row.better)
        for row in rows
        if not row.refused
        for one, other in combinations(systems, 2)
        if (found := paired(_clips(one, row.metric), _clips(other, row.metric), _over(one, row)))
    ]
    notes = tuple(_notes(systems, rows, seeds=system == SAME))
    split, place = systems[0].runs[0].split, base or Path()
    facts = tuple(systems), tuple(rows), tuple(differences)
    return Comparison(title, split, *facts, notes, place, system=system)


def row_of(name: str, systems: Sequence[System], registry: Registry) -> Row:
    """Bring one metric of all systems together."""
    way, refused = better(name, systems, registry), refusal(name, systems, registry)
    first = next(run for s in systems for run in s.runs if name in run.figures)
    definition = first.figures[name].definition
    if refused:
        return Row(name, way, definition, (None,) * len(systems), refused)
    return Row(name, way, definition, tuple(_cell(name, system) for system in systems))


def _cell(name: str, system: System) -> Cell | None:
    by_seed = {run.seed: run.figures[name] for run in system.runs if name in run.figures}
    values = [figure.value for figure in by_seed.values() if figure.value is not None]
    if not values:
        return None
    figures = list(by_seed.values())
    interval = clip_interval({s: f.clips for s, f in by_seed.items()}, figures[0].over)
    why = next((f.why for f in figures if not f.clips), "") if interval is None else ""
    return Cell(
        fmean(values),
        interval,
        {seed: figure.value for seed, figure in by_seed.items()},
        _mean(figures, "on_real"),
        _mean(figures, "chance"),
        figures[0].n,
        sum(len(f.clips) for f in figures),
        why,
    )


def _mean(figures: Sequence[Figure], name: str) -> float | None:
    found = [getattr(f, name) for f in figures]
    return fmean(found) if found and None not in found else None


def merit(value: float, way: str) -> float:
    """Return a figure as greater where it is better; `way` is up, down or zero."""
    return {"up": value, "down": -value, "zero": -abs(value)}[way]


def _clips(system: System, name: str) -> Mapping[int, Mapping[str, float]]:
    return {run.seed: run.figures[name].clips for run in system.runs if name in run.figures}


def _over(system: System, row: Row) -> str:
    return next((r.figures[row.metric].over for r in system.runs if row.metric in r.figures), "mean")


def _notes(systems: Sequence[System], rows: Sequence[Row], *, seeds: bool) -> list[str]:
    notes = [f"{row.metric} is not set side by side: {row.refused}" for row in rows if row.refused]
    if len({tuple(system.seeds) for system in systems}) > 1:
        listing = "; ".join(f"{s.title}: {', '.join(map(str, s.seeds))}" for s in systems)
        notes.append(f"the systems have not the same seeds ({listing}); differences are of those shared")
    if seeds and all(len(system.runs) == 1 for system in systems):
        notes.append("one seed each: intervals are over clips alone and do not cover other seeds")
    bare = sorted({run.folder.name for s in systems for run in s.runs if _has_no_clips(run.figures)})
    if bare:
        notes.append(
            f"no figures of single clips, so no intervals: {', '.join(bare)}; "
            "`s2vkit evaluate RUN... --again` measures them anew"
        )
    return [*notes, *_other_evaluators(systems, rows)]


def _has_no_clips(figures: Mapping[str, Figure]) -> bool:
    return bool(figures) and not any(figure.clips for figure in figures.values())


def _other_evaluators(systems: Sequence[System], rows: Sequence[Row]) -> list[str]:
    """Report runs of one seed whose evaluators differ on the same real clips."""
    notes = []
    for row in (row for row in rows if not row.refused):
        of_seed: dict[int, set[float]] = {}
        for run in (run for system in systems for run in system.runs if row.metric in run.figures):
            real = run.figures[row.metric].on_real
            if real is not None:
                of_seed.setdefault(run.seed, set()).add(real)
        apart = {s: v for s, v in of_seed.items() if max(v) - min(v) > _SAME_EVALUATOR}
        if apart:
            seed, values = next(iter(apart.items()))
            listing = " and ".join(f"{value:.4g}" for value in sorted(values))
            notes.append(
                f"{row.metric}: the systems' evaluators are not the same network: on the same real "
                f"clips (seed {seed}) they give {listing}"
            )
    return notes
