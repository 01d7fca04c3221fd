"""Writing files so that a kill or a full disk never leaves half of one behind."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it takes its place, else it goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Force a written file to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, data: Any) -> None:
    """Write data as JSON, whole or not at all."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text, whole or not at all."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON; None where there is no such file, or only a damaged one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return None


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; on success it takes the place of what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part, old = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.old")
    if old.is_dir() and not path.is_dir():
        old.rename(path)  # a kill came between the two renames of an earlier write
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        for file in part.iterdir():
            sync(file)
        if path.is_dir():
            path.rename(old)
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def recover_folder(path: Path) -> bool:
    """Bring back what a kill in the middle of `atomic_folder` left; say whether it is there."""
    old = path.with_name(f".{path.name}.old")
    if not path.is_dir() and old.is_dir():
        old.rename(path)
    return path.is_dir()


def new_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> np.memmap:
    """Make a .npy file to be filled through memory, its room on the disk taken at once.

    A full disk is then an OSError here, not a crash at some later write.
    """
    made = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
    return made
