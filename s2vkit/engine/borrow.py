"""Taking over finished stages of another run, where they would come out the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from s2vkit.engine.folder import record
from s2vkit.engine.plan import Plan, Step
from s2vkit.engine.view import View
from s2vkit.files import read_json, remove, replacing, write_text
from s2vkit.parts.stage import Stage

if TYPE_CHECKING:
    from s2vkit.engine.run import Run

_KEPT = ("log.jsonl", "weights.safetensors")


def conditions_of(run: Run) -> str:
    """Hash what a stage's result follows from besides what its fingerprint holds.

    That is where and how it is computed, the rate at which batches hold speech, and how often
    and where frozen parts look at a clip, which all stages of a recipe share.
    """
    compute = run.recipe.compute.model_dump(exclude={"workers"})
    plan = run.plan
    said = [
        compute, str(run.policy), run.graph.encoder.sample_rate, plan.stretches, plan.views,
        plan.maps,
    ]  # fmt: skip
    text = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def borrow(plan: Plan, conditions: str, lenders: Sequence[Path], view: View) -> list[str]:
    """Take over from other run folders what is not done here; give the names of those stages.

    A stage is taken over only where its fingerprint and its conditions are the same: then its
    weights are what training would come to.
    """
    taken = []
    for step in plan.steps:
        if step.done or step.idle or not isinstance(step.stage, Stage):
            continue
        lender = next((f for f in lenders if _lends(f, step, conditions, plan.run)), None)
        if lender is not None:
            _take(step, lender, plan.run, conditions)
            view.begin(step.name)
            view.end(f"the same stage as in {lender.name}, taken over from there")
            taken.append(step.name)
    return taken


def _lends(lender: Path, step: Step, conditions: str, run: Path) -> bool:
    folder = lender / "stages" / step.name
    done = read_json(folder / "done.json")
    if not isinstance(done, dict) or lender.resolve() == run.resolve():
        return False
    same = done.get("fingerprint") == step.fingerprint and done.get("conditions") == conditions
    return same and (folder / "weights.safetensors").is_file()


def _take(step: Step, lender: Path, run: Path, conditions: str) -> None:
    theirs, ours = lender / "stages" / step.name, run / "stages" / step.name
    for left in ("done.json", "checkpoint", ".checkpoint.old", "samples"):
        remove(ours / left)
    write_text(ours / "fingerprint", step.fingerprint)
    for name in _KEPT:
        if (theirs / name).is_file():
            with replacing(ours / name) as part:
                shutil.copyfile(theirs / name, part)
    seconds = float((read_json(theirs / "done.json") or {}).get("seconds") or 0.0)
    place = Path(os.path.relpath(theirs, ours)).as_posix()
    record(ours, step.fingerprint, seconds, conditions=conditions, taken_from=place)
    step.done, step.changed, step.seconds = True, False, seconds
