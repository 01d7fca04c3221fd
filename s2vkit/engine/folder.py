"""The run folder: taken by one run at a time, known by its format."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from s2vkit.data.files import read_json, write_json
from s2vkit.engine.model import FORMAT, check_run
from s2vkit.errors import ResourceError, RunFolderError

_OURS = {"run.json", "recipe.yaml", "stages", ".lock"}


@contextmanager
def taken(folder: Path, *, fresh: bool) -> Iterator[Path]:
    """Hold a run folder for this process, making or emptying it first.

    Raises RunFolderError where it is in use, of another version, or holds other things.
    """
    if folder.is_file():
        raise RunFolderError(f"{folder}: is a file, not a run folder", hint="change `output:`")
    held = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    if held - {".lock"} and "run.json" not in held:
        raise RunFolderError(
            f"{folder}: holds files that are no run of s2vkit's", hint="choose another `output:`"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        if fresh:
            _empty(folder)
        if (folder / "run.json").exists():
            check_run(folder)
        write_json(folder / "run.json", about())
        yield folder


def about() -> dict[str, object]:
    """Say which versions make this run."""
    names = ("s2vkit", "torch", "torchaudio", "torchvision", "timm", "numpy", "av")
    return {
        "format": FORMAT,
        "versions": {name: version(name) for name in names},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def need_room(folder: Path, needed: int, what: str) -> None:
    """Raise ResourceError where the disk has too little room for what is about to be written."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ResourceError(
            f"{folder}: too little room on the disk for {what}: {needed / 1e6:.0f} MB needed, "
            f"{free / 1e6:.0f} MB free",
            hint="free some room, or name another place by `output:` and `cache:`",
        )


def clear_cache_of(folder: Path) -> None:
    """Remove half-written leftovers of a killed process."""
    for left in folder.glob(".*.part*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _empty(folder: Path) -> None:
    if (folder / "run.json").exists():
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != ".lock":
                path.unlink()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # Windows: no lock, two runs at once are the user's to avoid
        yield
        return
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunFolderError(
                f"{folder}: in use by another s2vkit run", hint="wait for it, or stop it"
            ) from error
        yield
    finally:
        os.close(descriptor)


def record(folder: Path, fingerprint: str, seconds: float) -> None:
    """Mark a stage as done."""
    before = read_json(folder / "done.json") or {}
    write_json(folder / "done.json", {**before, "fingerprint": fingerprint, "seconds": seconds})
