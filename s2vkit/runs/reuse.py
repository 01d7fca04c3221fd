"""Taking over finished stages of another run, where they would come out the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from s2vkit.engine.view import View
from s2vkit.files import read_json, remove, replacing, write_text
from s2vkit.interfaces.stage import Stage
from s2vkit.runs.folder import forget_training, record
from s2vkit.runs.plan import Plan, Step
from s2vkit.runs.progress import IDENTITY, Progress

_KEPT = ("log.jsonl", "weights.safetensors")


def reuse(plan: Plan, donors: Sequence[Path], view: View, *, dry: bool = False) -> list[str]:
    """Take over from other run folders what is not done here; give the names of those stages.

    A stage is taken over only where its result would be the same: its identity and its segments.
    With `dry` the plan counts it as done, and nothing is written.
    """
    taken = []
    for step in plan.steps:
        if step.done or step.idle or not isinstance(step.stage, Stage):
            continue
        donor = next((f for f in donors if _can_donate(f, step, plan.run)), None)
        if donor is not None:
            _take(step, donor, plan.run, dry=dry)
            line = f"{step.name}: comes out as in {donor.name}, and is taken over from there"
            view.console.print(f"[green]✓[/green] {escape(line)}", highlight=False)
            taken.append(step.name)
    return taken


def _can_donate(donor: Path, step: Step, run: Path) -> bool:
    folder = donor / "stages" / step.name
    done = read_json(folder / "done.json")
    if not isinstance(done, dict) or donor.resolve() == run.resolve():
        return False
    return done.get("result") == step.result and (folder / "weights.safetensors").is_file()


def _take(step: Step, donor: Path, run: Path, *, dry: bool) -> None:
    theirs, ours = donor / "stages" / step.name, run / "stages" / step.name
    done = read_json(theirs / "done.json") or {}
    seconds = float(done.get("seconds") or 0.0)
    if not dry:
        _copy(step, theirs, ours, seconds, done)
    step.progress = Progress(True, step.segments[-1].end, step.segments, seconds=seconds)


def _copy(step: Step, theirs: Path, ours: Path, seconds: float, done: Mapping[str, Any]) -> None:
    remove(ours / "done.json")
    forget_training(ours)
    write_text(ours / IDENTITY, step.identity)
    for name in _KEPT:
        if (theirs / name).is_file():
            with replacing(ours / name) as part:
                shutil.copyfile(theirs / name, part)
    place = Path(os.path.relpath(theirs, ours)).as_posix()
    facts = {name: done[name] for name in ("command", "memory") if name in done}
    record(ours, step, seconds, taken_from=place, **facts)
