"""Folders of media: the files below one by their names."""

from __future__ import annotations

from pathlib import Path

from s2vkit.errors import InputError

_PICTURES = ("mp4", "m4v", "mov", "mkv", "webm", "avi", "flv", "mpg", "mpeg", "ts", "wmv", "ogv")
VIDEOS = frozenset(f".{name}" for name in _PICTURES)
SOUNDS = VIDEOS | {f".{name}" for name in ("wav", "flac", "m4a", "aac", "mp3", "ogg", "opus", "mka")}


def media_of(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    """List the media below a folder by name, sorted; raises InputError if there are none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in suffixes and path.is_file():
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise InputError(
                    f"{folder}: '{found[name].name}' and '{path.name}' bear one name",
                    hint="move one of them away",
                )
            found[name] = path
    if not found:
        raise InputError(
            f"{folder}: holds no file that ends in {' '.join(sorted(suffixes))}", hint="name another folder"
        )
    return found
