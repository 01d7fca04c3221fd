"""What is to be tabled of every run, and where a run has it already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2vkit.benchmark.finished_runs import Finished, read_recipe_of, read_run, results_of
from s2vkit.files import read_json, recover_folder

MEASURED = "measured"  # the folder in a run folder for what was measured again
_HOW = ("cache", "compute", "output", "name", "checkpoint_seconds")


@dataclass(frozen=True)
class Asked:
    """What is to be measured of every run."""

    split: str | None = None  # none: the one its recipe measures
    clips: int | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)  # name -> component; empty: its own
    sets: Sequence[str] = ()  # laid over its recipe
    again: bool = False
    device: str | None = None
    command: str = ""

    @property
    def telling(self) -> list[str]:
        """Return the sets that change what is measured, not where or how."""
        return [text for text in self.sets if text.split("=")[0].split(".")[0] not in _HOW]

    def key(self, split: str) -> str:
        """Name what is asked, as a folder of figures is called."""
        more = json.dumps([sorted(self.metrics.items()), self.telling])
        parts = [split, str(self.clips) if self.clips is not None else ""]
        if self.metrics or self.telling:
            parts.append(hashlib.sha256(more.encode()).hexdigest()[:8])
        return "-".join(part for part in parts if part)


@dataclass(frozen=True)
class Wanted:
    """What is asked of one run."""

    stage: str  # of its recipe: the one that measures
    split: str
    place: Path  # where figures measured anew lie
    own: bool  # whether the run's own figures are what is asked for


def want(folder: Path, asked: Asked) -> Wanted:
    """Return what is requested of a run. Raises RunFolderError if it is none."""
    recipe, stage = read_recipe_of(folder)
    settings: dict[str, Any] = recipe["stages"][stage]
    split = str(asked.split or settings["split"])
    same = split == settings["split"] and asked.clips in (None, settings.get("clips"))
    own = same and not (asked.metrics or asked.telling or asked.again)
    return Wanted(stage, split, folder / MEASURED / asked.key(split), own)


def find(folder: Path, asked: Asked) -> Finished | None:
    """Read what a run has of what is asked; None if it is to be measured.

    Figures that were measured of another model than the run now holds do not count. Raises
    RunFolderError.
    """
    wanted = want(folder, asked)
    if wanted.own:
        return read_run(folder)
    if asked.again or not recover_folder(wanted.place):
        return None
    about = read_json(wanted.place / "about.json")
    if not isinstance(about, dict) or about.get("model") != results_of(folder):
        return None
    return read_run(folder, wanted.place)
