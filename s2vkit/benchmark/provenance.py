"""A comparison as JSON: every figure with the runs, clips and commands behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from s2vkit.benchmark.comparison import Cell, Comparison, Row, compare
from s2vkit.benchmark.finished_runs import Finished
from s2vkit.benchmark.formats import UNSEEN
from s2vkit.benchmark.grouping import System, group
from s2vkit.benchmark.writers import FORMATS
from s2vkit.errors import RunFolderError
from s2vkit.files import read_json, write_text
from s2vkit.registry import Registry
from s2vkit.report.intervals import LEVEL, RESAMPLES, SEED

FORMAT, STEM = 1, "table1"


def as_json(comparison: Comparison, command: str = "") -> dict[str, Any]:
    """Return everything as plain data; paths are told from its base."""
    return {
        "format": FORMAT,
        "title": comparison.title,
        "command": command,
        "split": comparison.split,
        "system": comparison.system,
        "interval": {
            "level": LEVEL,
            "resamples": RESAMPLES,
            "seed": SEED,
            "resampled": "seeds, then clips within each",
        },
        "systems": [_system(system, comparison) for system in comparison.systems],
        "metrics": [_row(row, comparison) for row in comparison.rows],
        "differences": [
            {
                "metric": d.metric,
                "first": d.first,
                "second": d.second,
                "better": d.better,
                "claim": d.claim,
                **asdict(d.found),
            }
            for d in comparison.differences
        ],
        "orders": comparison.orders(),
        "clips": sorted(
            {
                clip
                for s in comparison.systems
                for run in s.runs
                for figure in run.figures.values()
                for clip in figure.clips
            }
        ),
        "notes": list(comparison.notes),
        "figures": [
            {**asdict(one), "runs": [comparison.place(run) for run in one.runs]}
            for one in comparison.drawings
        ],
        "unseen": {"how": UNSEEN, "found": [asdict(found) for found in comparison.unseen]},
    }


def _system(system: System, comparison: Comparison) -> dict[str, Any]:
    name = system.runs[0].recipe.get("name")
    runs = [_run(run, comparison) for run in system.runs]
    return {"title": system.title, "recipe": name, "seeds": system.seeds, "runs": runs}


def _run(run: Finished, comparison: Comparison) -> dict[str, Any]:
    about = read_json(run.folder / "run.json") or {}
    clips = run.place / "clips.csv"
    return {
        "folder": comparison.place(run.folder),
        "seed": run.seed,
        "command": run.command,
        "recipe": comparison.place(run.folder / "recipe.yaml"),
        "metrics": comparison.place(run.place / "metrics.json"),
        "clips": comparison.place(clips) if clips.is_file() else None,
        "measured_by": run.about.get("command") if run.place != run.folder else None,
        "versions": about.get("versions"),
        "results": run.results,
    }


def _row(row: Row, comparison: Comparison) -> dict[str, Any]:
    titles = [system.title for system in comparison.systems]
    cells = zip(titles, row.cells, strict=True)
    return {
        "metric": row.metric,
        "better": row.better,
        "definition": row.definition,
        "refused": row.refused or None,
        "best": [titles[place] for place in sorted(row.best)],
        "systems": {title: _cell(cell) for title, cell in cells},
    }


def _cell(cell: Cell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    return {**asdict(cell), "of_seeds": {str(k): v for k, v in cell.of_seeds.items()}}


def table_of(
    runs: Sequence[Finished], registry: Registry, output: Path | None = None, command: str = ""
) -> Comparison:
    """Set runs that were read side by side; with `output`, write the table there.

    Raises RunFolderError if they do not compare.
    """
    if output is not None and output.exists() and not output.is_dir():
        raise RunFolderError(f"{output}: is a file, not a folder", hint="name another by -o")
    comparison = compare(group(runs), registry, base=output)
    if output is not None:
        write_all(comparison, output, STEM, command)
    return comparison


def write_all(comparison: Comparison, folder: Path, stem: str, command: str = "") -> list[Path]:
    """Write STEM.md, .csv, .tex and .json into a folder; give their paths."""
    written = []
    for ending, make in FORMATS.values():
        written.append(folder / f"{stem}.{ending}")
        write_text(written[-1], make(comparison))
    written.append(folder / f"{stem}.json")
    write_text(written[-1], json_text(comparison, command))
    return written


def json_text(comparison: Comparison, command: str = "") -> str:
    """Write the JSON."""
    return json.dumps(as_json(comparison, command), indent=1, ensure_ascii=False) + "\n"
