"""The runs of a folder: what state each is in, its figures, size and age. No torch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from s2vkit.errors import InputError
from s2vkit.files import locked, read_json, read_lines

_DEPTH = 3  # folders below the one that is listed in which runs are looked for
_ENDED = "the run ended here: "  # how the last warning of a run that failed begins


@dataclass(frozen=True)
class ListedRun:
    """One run folder."""

    path: Path
    state: str  # running, finished, failed or stopped
    done: int  # stages that are finished
    stages: int
    figures: dict[str, float]  # by metric, in the order of the recipe
    size: int  # bytes
    used: float  # when it was last written to, in seconds since the epoch
    reason: str = ""  # why it failed

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "path": str(self.path)}


def list_runs(folder: Path) -> list[ListedRun]:
    """List the runs in a folder and below it, the last used first. Raises InputError if it is not there."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", hint="name the folder that your runs are in")
    return sorted((_listed(run) for run in _runs(folder, _DEPTH)), key=lambda run: -run.used)


def _runs(folder: Path, depth: int) -> Iterator[Path]:
    about = read_json(folder / "run.json")
    if isinstance(about, dict) and "s2vkit" in (about.get("versions") or {}):
        yield folder
    elif depth:
        for inner in sorted(folder.iterdir()):
            if inner.is_dir() and not inner.is_symlink() and not inner.name.startswith("."):
                yield from _runs(inner, depth - 1)


def _listed(run: Path) -> ListedRun:
    facts = read_json(run / "graph.json") or {}
    stages = [stage["name"] for stage in facts.get("stages", []) if not stage.get("idle")]
    done = [name for name in stages if (run / "stages" / name / "done.json").is_file()]
    files = [path.stat() for path in run.rglob("*") if path.is_file()]
    state, reason = _state(run, len(done) == len(stages) > 0)
    return ListedRun(
        run,
        state,
        len(done),
        len(stages),
        _figures(run),
        sum(file.st_size for file in files),
        max((file.st_mtime for file in files), default=time.time()),
        reason,
    )


def _state(run: Path, whole: bool) -> tuple[str, str]:
    lock = run / ".lock"
    if lock.exists():
        with locked(lock, wait=False, shared=True) as free:
            if not free:
                return "running", ""
    if whole:
        return "finished", ""
    notes = read_lines(run / "warnings.jsonl")
    last = str(notes[-1].get("text", "")) if notes else ""
    return ("failed", last.removeprefix(_ENDED)) if last.startswith(_ENDED) else ("stopped", "")


def _figures(run: Path) -> dict[str, float]:
    metrics = read_json(run / "metrics.json")
    rows = metrics.items() if isinstance(metrics, dict) else ()
    return {
        name: row["value"]
        for name, row in rows
        if isinstance(row, dict) and isinstance(row.get("value"), int | float)
    }
