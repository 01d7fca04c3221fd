"""How far a stage of a run folder is: finished, to go on from its checkpoint, or to begin anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2vkit.engine.checkpoint import step_of
from s2vkit.files import read_json
from s2vkit.options import StageOptions
from s2vkit.runs.segments import Segment, extended, load_segments, read_segments, schedule_of

CHANGED = "changed, so again"
IDENTITY = "identity"  # the file of a stage's folder that says what its checkpoint is of


@dataclass(frozen=True)
class Progress:
    """What of a stage is there, and what is left to do."""

    done: bool = False
    start: int = 0  # the step to go on from
    segments: list[Segment] = field(default_factory=list)  # once it is finished
    note: str = ""  # why it is done again, or from where it goes on
    seconds: float | None = None  # it took, if it is done


def progress_of_job(folder: Path, identity: str, leaves: Sequence[Path]) -> Progress:
    """Find the progress of a stage that trains nothing."""
    record = read_json(folder / "done.json") or {}
    if record.get("identity") == identity and all(path.exists() for path in leaves):
        return Progress(done=True, seconds=record.get("seconds"))
    return Progress(note=CHANGED if record else "")


def progress_of_stage(folder: Path, identity: str, options: StageOptions) -> Progress:
    """Find the progress of a stage that trains, and what its options ask for beyond that."""
    schedule, steps = schedule_of(options), options.steps
    record = read_json(folder / "done.json") or {}
    finished = bool(record) and (folder / "weights.safetensors").exists()
    if finished and record.get("identity") == identity:
        segments = load_segments(record.get("segments"))
        if _is(segments, steps, schedule):
            return Progress(True, steps, segments, seconds=record.get("seconds"))
    return _unfinished(folder, identity, steps, schedule, finished)


def _is(segments: Sequence[Segment], steps: int, schedule: dict[str, Any]) -> bool:
    """Return whether training has ended at these steps, at this schedule."""
    return bool(segments) and segments[-1].end == steps and segments[-1].schedule == schedule


def _unfinished(
    folder: Path, identity: str, steps: int, schedule: dict[str, Any], finished: bool
) -> Progress:
    anew = extended([], 0, steps, schedule)
    before = identity_of(folder)
    if before != identity:
        return Progress(segments=anew, note=CHANGED if before else "")
    at = step_of(folder / "checkpoint")
    past = extended(read_segments(folder), at, at, schedule)
    if at > steps:
        return Progress(segments=anew, note=f"fewer steps than the {at} trained, so it starts again")
    if at == steps and at and not _is(past, steps, schedule):
        note = f"another schedule, and all {at} steps are trained, so it starts again"
        return Progress(segments=anew, note=note)
    if at and past and past[-1].end == at:
        segments = extended(past, at, steps, schedule)
        return Progress(start=at, segments=segments, note=f"goes on from step {at}")
    return Progress(segments=anew, note="it has no checkpoint to resume from, so it starts again" * finished)


def identity_of(folder: Path) -> str:
    """Return the identity of what a stage's folder holds; empty if there is nothing."""
    try:
        return (folder / IDENTITY).read_text(encoding="utf-8")
    except OSError:
        return str((read_json(folder / "done.json") or {}).get("identity") or "")
