"""The run folder: taken by one run at a time, known by its format."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from s2vkit.errors import ResourceError, RunFolderError
from s2vkit.files import clear_parts, former, locked, read_json, remove, write_json
from s2vkit.runs.run_log import log_file
from s2vkit.runs.warning_log import now

if TYPE_CHECKING:
    from s2vkit.runs.plan import Step

FORMAT = 2
_LOCK = ".lock"


@contextmanager
def taken(folder: Path, *, fresh: bool, command: str = "", log_level: str = "info") -> Iterator[Path]:
    """Hold a run folder for this process, making or emptying it first.

    `command` is what the user typed; run.json keeps those that worked on this folder, in turn. What is
    logged meanwhile, from `log_level` on, is appended to run.log.

    Raises RunFolderError if it is in use, of another version, or holds other things.
    """
    check_place(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / _LOCK, wait=False) as locked_here:
        if not locked_here:
            raise RunFolderError(f"{folder}: in use by another s2vkit run", hint="wait for it, or stop it")
        if fresh:
            for path in sorted(folder.iterdir(), key=lambda p: p.name == "run.json"):
                if path.name != _LOCK:  # run.json goes last: a kill leaves a run still
                    remove(path)
        if (folder / "run.json").exists():
            check_run(folder)
        clear_parts(folder)
        commands = _commands(folder, command)
        last = {"command": commands[-1]["command"]} if commands else {}
        kept = {"precision": precision_of(folder)}
        write_json(folder / "run.json", {**about(), **last, "commands": commands, **kept})
        with log_file(folder, log_level):
            yield folder


def forget_training(stage: Path) -> None:
    """Remove what a stage's folder keeps of training that does not count any more."""
    checkpoint = stage / "checkpoint"
    for left in (checkpoint, former(checkpoint), stage / "samples", stage / "best"):
        remove(left)


def check_run(run: Path) -> None:
    """Raise RunFolderError unless the folder is a run of this format."""
    about = read_json(run / "run.json")
    if about is None:
        raise RunFolderError(f"{run}: not a run folder: it has no readable run.json")
    found = about.get("format") if isinstance(about, dict) else None
    if found != FORMAT:
        raise RunFolderError(
            f"{run}: written by another version of s2vkit (format {found}, this one reads {FORMAT})",
            hint="use the version that wrote it, or run the recipe again into a new folder",
        )


def _commands(folder: Path, command: str) -> list[dict[str, str]]:
    """Return the commands of a run folder with their times; one that goes on counts once."""
    known = (read_json(folder / "run.json") or {}).get("commands") or []
    if not command or (known and known[-1].get("command") == command):
        return list(known)
    return [*known, {"command": command, "begun": now()}]


def precision_of(folder: Path) -> dict[str, str]:
    """Return in which precision a run has been computed on each kind of device, as run.json says."""
    known = read_json(folder / "run.json")
    if not isinstance(known, dict):
        return {}
    former = {"cpu": "fp32"} if "computed_on" in known else {}  # what `auto` was before it was written down
    found = known.get("precision", former)
    return dict(found) if isinstance(found, dict) else {}


def tell(folder: Path, **facts: object) -> None:
    """Add facts to what run.json says of the run."""
    write_json(folder / "run.json", {**(read_json(folder / "run.json") or {}), **facts})


def check_place(folder: Path) -> None:
    """Raise RunFolderError if a run folder cannot be: it is a file, or holds other things."""
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder}: is a file, not a run folder", hint="change `output:`")
    others = [p for p in folder.iterdir() if not _is_left_over(p)] if folder.is_dir() else []
    if others and not is_run(folder):
        raise RunFolderError(
            f"{folder}: contains files that are not a run of s2vkit", hint="choose another `output:`"
        )


def is_run(folder: Path) -> bool:
    """Return whether a folder was created by some version of s2vkit."""
    about = read_json(folder / "run.json")
    return isinstance(about, dict) and "s2vkit" in (about.get("versions") or {})


def _is_left_over(path: Path) -> bool:
    """Return whether a path was left by a run that was killed at its start."""
    return path.name == _LOCK or (path.name.startswith(".") and ".part" in path.name)


def about() -> dict[str, object]:
    """Return the versions used by this run."""
    names = ("s2vkit", "torch", "torchaudio", "torchvision", "timm", "numpy", "av")
    return {
        "format": FORMAT,
        "versions": {name: version(name) for name in names},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def check_disk_space(folder: Path, needed: int, what: str) -> None:
    """Raise ResourceError if the disk has too little room for what is about to be written."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ResourceError(
            f"{folder}: too little space on the disk for {what}: {needed / 1e6:.0f} MB needed, "
            f"{free / 1e6:.0f} MB free",
            hint="free some space, or name another place by `output:` and `cache:`",
        )


def clear_cache(cache: Path) -> None:
    """Remove what killed runs left half-written in a cache, not what other runs are making."""
    for left in list(cache.glob(".*.part")):
        with locked(left.with_suffix(".lock"), wait=False) as free:
            if free:
                remove(left)


def record(folder: Path, step: Step, seconds: float, **facts: object) -> None:
    """Mark a stage as done; `facts` are kept beside (its memory, the command that ran it)."""
    segments = [segment.dump() for segment in step.segments]
    done = {"identity": step.identity, "result": step.result, "segments": segments}
    write_json(folder / "done.json", {**done, "seconds": seconds, "finished": now(), **facts})
