"""Looking into a root folder."""

from __future__ import annotations

import os
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
SOUNDS = frozenset(
    {".wav", ".flac", ".m4a", ".aac", ".mp3", ".ogg", ".opus", ".wma", ".aif", ".aiff", ".mka"}
)
"""Suffixes of what is taken for a sound file beside a video."""


def root_of(root: str | None, hint: str) -> Path:
    """Return the root folder. Raises InputError, with the hint, where there is none."""
    if root is None:
        raise InputError("the dataset has no `root`", hint="set it to the folder of the corpus")
    folder = Path(root)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", hint=hint)
    return folder


def files_below(folder: Path, without: Path | None = None, notes: list[str] | None = None) -> list[Path]:
    """List every file below a folder, sorted, but hidden ones and those below `without`.

    Linked folders are entered once, after those that are really there. Links that lead nowhere or
    back, pipes, sockets, devices and what cannot be read are passed over, and `notes` says so.
    """
    walk = _Walk(without)
    walk.enter(folder)
    if notes is not None:
        notes += walk.notes()
    return walk.files


class _Walk:
    """Looks through folders."""

    def __init__(self, without: Path | None) -> None:
        self.files: list[Path] = []
        self._without = without
        self._seen: set[Path] = set()
        self._passed: dict[str, list[Path]] = {}

    def enter(self, folder: Path) -> None:
        """Look through a folder, then through those that links in it lead to."""
        links: list[Path] = []
        self._look(folder, links)
        for link in links:
            there = link.resolve()
            if there in self._seen:
                self._pass("links to folders that are read already", link)
            elif there != self._without:
                self.enter(link)
        if links:
            self.files.sort(key=lambda path: [*((1, part) for part in path.parts[:-1]), (0, path.name)])

    def _look(self, folder: Path, links: list[Path]) -> None:
        there = folder.resolve()
        if there == self._without:
            return
        self._seen.add(there)
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            self._pass(f"folders that cannot be read ({error.strerror})", folder)
            return
        folders = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = folder / entry.name
            if entry.is_file():
                self.files.append(path)
            elif entry.is_dir():
                (links if entry.is_symlink() else folders).append(path)
            elif entry.is_symlink():
                self._pass("links that lead nowhere", path)
            else:
                self._pass("pipes, sockets or devices", path)
        for path in folders:
            self._look(path, links)

    def _pass(self, what: str, path: Path) -> None:
        self._passed.setdefault(what, []).append(path)

    def notes(self) -> list[str]:
        """Say what was passed over."""
        return [
            f"passed over: {len(paths)} {what}, such as {paths[0]}" for what, paths in self._passed.items()
        ]


def is_video(path: Path) -> bool:
    """Return whether a file is a video, by its name."""
    return path.suffix.lower() in VIDEOS
