"""Looking into a root folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from s2vkit import InputError

VIDEOS = frozenset(
    {
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".flv",
        ".mpg",
        ".mpeg",
        ".ts",
        ".mts",
        ".m2ts",
        ".3gp",
        ".wmv",
        ".mxf",
        ".ogv",
        ".gif",
    }
)
"""Suffixes, in lower case, of what is taken for a video."""


def root_of(root: str | None, hint: str) -> Path:
    """Return the root folder. Raises InputError, with the hint, where there is none."""
    if root is None:
        raise InputError("the dataset has no `root`", hint="set it to the folder of the corpus")
    folder = Path(root)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", hint=hint)
    return folder


def files_below(folder: Path, without: Path | None = None) -> Iterator[Path]:
    """Return every file below a folder, sorted, but hidden ones and those below `without`.

    Linked folders are not entered.
    """
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (without is None or (here / name).resolve() != without)
        )
        yield from (here / name for name in sorted(files) if not name.startswith("."))


def is_video(path: Path) -> bool:
    """Return whether a file is a video, by its name."""
    return path.suffix.lower() in VIDEOS
