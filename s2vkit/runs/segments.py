"""The schedule of a stage as segments of steps, each trained at one schedule.

A stage that was trained to step 50 at one learning rate and on to step 100 at another has two
segments. Equal neighbours are one: training N steps and then N more is training 2N, as long as
the rate at a step does not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from s2vkit.files import read_json, write_json
from s2vkit.options import OptimizerOptions, Slot, StageOptions, role_of

FILE = "segments.json"
_OF_LENGTH = ("linear", "cosine")  # schedules whose rate at a step depends on the number of steps
_USED_BY = {"constant": (), "step": ("every", "decay"), "linear": ("final",), "cosine": ("final",)}


@dataclass(frozen=True)
class Segment:
    """Steps `start` to `end` of a stage, and the schedule that they were trained at."""

    start: int
    end: int
    schedule: dict[str, Any]

    def dump(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def schedule_of(options: StageOptions) -> dict[str, Any]:
    """Return the options of a stage that its learning rates follow from, by their path.

    Those that make no difference are left out; `steps` is there only where a rate depends on it.
    """
    found = dict(_schedules(options, ""))
    if any(found.get(f"{path}schedule") in _OF_LENGTH for path in _slots(found)):
        found["steps"] = options.steps
    return found


def _slots(found: dict[str, Any]) -> Iterator[str]:
    return (path.removesuffix("schedule") for path in found if path.endswith("schedule"))


def _schedules(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Walk through options and slots in them: the path and value of each schedule option."""
    if isinstance(value, Slot):
        yield from _schedules(value.options, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _schedules(item, f"{path}{key}.")
    elif hasattr(type(value), "model_fields"):
        for name, field in type(value).model_fields.items():
            item = getattr(value, name)
            if role_of(field) != "schedule":
                yield from _schedules(item, f"{path}{name}.")
            elif _counts(value, name):
                yield path + name, item


def _counts(options: Any, name: str) -> bool:
    """Return whether a schedule option changes the rate of any step."""
    if isinstance(options, StageOptions):
        return name != "steps"
    if not isinstance(options, OptimizerOptions) or name not in OptimizerOptions.model_fields:
        return True
    return name in ("lr", "schedule", "warmup", "clip_gradients", *_USED_BY[options.schedule])


def extended(past: Sequence[Segment], at: int, end: int, schedule: dict[str, Any]) -> list[Segment]:
    """Return the segments of a stage that goes on from step `at` to `end` at a schedule."""
    found = [Segment(s.start, min(s.end, at), s.schedule) for s in past if s.start < at]
    if at < end:
        found.append(Segment(at, end, schedule))
    return merged(found)


def merged(segments: Sequence[Segment]) -> list[Segment]:
    """Make one of neighbours with an equal schedule."""
    found: list[Segment] = []
    for segment in segments:
        if found and found[-1].schedule == segment.schedule:
            found[-1] = Segment(found[-1].start, segment.end, segment.schedule)
        else:
            found.append(segment)
    return found


def load_segments(data: Any) -> list[Segment]:
    """Read back what `Segment.dump` gave of each; none where it is not that."""
    try:
        return [Segment(int(s["start"]), int(s["end"]), dict(s["schedule"])) for s in data]
    except (TypeError, KeyError, ValueError):
        return []


def read_segments(folder: Path) -> list[Segment]:
    """Read the segments that a stage was being trained in."""
    return load_segments(read_json(folder / FILE))


def write_segments(folder: Path, segments: Sequence[Segment]) -> None:
    """Write down the segments that a stage is about to be trained in."""
    write_json(folder / FILE, [segment.dump() for segment in segments])
