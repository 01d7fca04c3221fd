"""A run's figures under changes of the recordings that its clips are generated from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from s2vkit.benchmark.finished_runs import read_recipe_of
from s2vkit.benchmark.measure import read_or_measure
from s2vkit.benchmark.request import Asked
from s2vkit.benchmark.show import widened
from s2vkit.files import write_json, write_text
from s2vkit.registry import Registry
from s2vkit.speech.conditions import RECORDING_CONDITIONS

CLEAN = "clean"
_WIDE = 220  # columns where there is no terminal
AGAINST_CLEAN = "mouth_against_clean"
Figures = Mapping[str, Mapping[str, float | None]]  # condition -> metric -> value


def measure_under(
    folder: Path, conditions: Sequence[str], asked: Asked, console: Console, registry: Registry
) -> Figures:
    """Measure a run under each condition, and as it is; what was measured before is read.

    Raises RunFolderError if it is no finished run.
    """
    recipe, stage = read_recipe_of(folder)
    more = list(asked.sets)
    if any(name.startswith("mouth_aperture") for name in recipe.get("evaluators") or {}):
        more.append(f"stages.{stage}.metrics.{AGAINST_CLEAN}.use={AGAINST_CLEAN}")
    found: dict[str, dict[str, float | None]] = {}
    for name in (CLEAN, *conditions):
        sets = [*more, *([] if name == CLEAN else [f"stages.{stage}.under={name}"])]
        run = read_or_measure(folder, replace(asked, sets=sets), console, registry)
        found[name] = {metric: one.value for metric, one in run.figures.items()}
    return found


def print_under(folder: Path, figures: Figures, console: Console) -> None:
    """Print a line a condition, a column a metric."""
    names = list(figures[CLEAN])
    table = Table(title=f"{folder} under changes of its recordings", title_justify="left")
    for heading in ("recordings", *names):
        table.add_column(heading, justify="left" if heading == "recordings" else "right")
    for name, values in figures.items():
        table.add_row(name, *(_text(values.get(metric)) for metric in names))
    widened(console, _WIDE).print(table)


def write_under(folder: Path, figures: Figures) -> None:
    """Write `under.json` and `under.md` into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(figures[CLEAN])
    lines = ["| recordings | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for name, values in figures.items():
        label = f"{name}: {RECORDING_CONDITIONS[name].summary}" if name in RECORDING_CONDITIONS else name
        lines.append(f"| {label} | " + " | ".join(_text(values.get(metric)) for metric in names) + " |")
    write_text(folder / "under.md", "\n".join(lines) + "\n")
    write_json(folder / "under.json", figures)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
