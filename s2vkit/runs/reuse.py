"""Taking over finished stages of another run, where they would come out the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from s2vkit.engine.view import View
from s2vkit.files import read_json, remove, replacing, write_text
from s2vkit.interfaces.stage import Stage
from s2vkit.runs.folder import record
from s2vkit.runs.plan import Plan, Step

if TYPE_CHECKING:
    from s2vkit.engine.run import Run

_KEPT = ("log.jsonl", "weights.safetensors")


def conditions_of(run: Run) -> dict[str, str]:
    """Hash, for every stage, what its result follows from besides what its fingerprint holds.

    That is where and how it is computed; the rate of speech in its batches; and how often and
    where frozen parts look at a clip, where it needs what they saw or heard. All stages of a
    recipe share these. What a stage builds on counts with it.
    """
    found: dict[str, str] = {}
    for step in run.plan.steps:
        if isinstance(step.stage, Stage):
            before = [found[name] for name in sorted(step.before) if name in found]
            text = json.dumps([*_shared(run, step.stage), before], sort_keys=True, default=str)
            found[step.name] = hashlib.sha256(text.encode()).hexdigest()[:20]
    return found


def _shared(run: Run, stage: Stage) -> list[Any]:
    plan, needs = run.plan, stage.needs
    said: list[Any] = [run.recipe.compute.model_dump(exclude={"workers"}), str(run.policy)]
    if needs & {"speech", "sounds"}:
        said.append(run.graph.encoder.sample_rate)
    if needs & {"summary", "codes"}:
        said.append(plan.stretches)
    if needs & {"targets", "maps"}:
        said += [plan.views, plan.maps]
    return said


def reuse(plan: Plan, conditions: Mapping[str, str], donors: Sequence[Path], view: View) -> list[str]:
    """Take over from other run folders what is not done here; give the names of those stages.

    A stage is taken over only where its fingerprint and its conditions are the same: then its
    weights are what training would come to.
    """
    taken = []
    for step in plan.steps:
        if step.done or step.idle or not isinstance(step.stage, Stage):
            continue
        same = conditions[step.name]
        donor = next((f for f in donors if _can_donate(f, step, same, plan.run)), None)
        if donor is not None:
            _take(step, donor, plan.run, same)
            said = f"{step.name}: comes out as in {donor.name}, and is taken over from there"
            view.console.print(f"[green]✓[/green] {escape(said)}", highlight=False)
            taken.append(step.name)
    return taken


def _can_donate(donor: Path, step: Step, conditions: str, run: Path) -> bool:
    folder = donor / "stages" / step.name
    done = read_json(folder / "done.json")
    if not isinstance(done, dict) or donor.resolve() == run.resolve():
        return False
    same = done.get("fingerprint") == step.fingerprint and done.get("conditions") == conditions
    return same and (folder / "weights.safetensors").is_file()


def _take(step: Step, donor: Path, run: Path, conditions: str) -> None:
    theirs, ours = donor / "stages" / step.name, run / "stages" / step.name
    for left in ("done.json", "checkpoint", ".checkpoint.old", "samples"):
        remove(ours / left)
    write_text(ours / "fingerprint", step.fingerprint)
    for name in _KEPT:
        if (theirs / name).is_file():
            with replacing(ours / name) as part:
                shutil.copyfile(theirs / name, part)
    done = read_json(theirs / "done.json") or {}
    seconds = float(done.get("seconds") or 0.0)
    place = Path(os.path.relpath(theirs, ours)).as_posix()
    how = {name: done[name] for name in ("command", "memory") if name in done}
    record(ours, step.fingerprint, seconds, conditions=conditions, taken_from=place, **how)
    step.done, step.changed, step.seconds = True, False, seconds
