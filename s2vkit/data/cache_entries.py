"""What lies in a cache folder: how large, how old, who uses it; and making room. No torch.

An entry is a folder KIND-...; beside it lie `.NAME.lock`, held while it is made, and
`.NAME.held`, held by every run that reads it (shared) and by whoever removes it (alone).
`.uses/NAME/` has one file for each run that ever opened it, whose age is that of the last use.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from s2vkit.data.arrays import Arrays
from s2vkit.errors import InputError
from s2vkit.files import (
    NotWritableError,
    atomic_folder,
    locked,
    read_json,
    recover_folder,
    remove,
    write_json,
)

KINDS = ("corpus", "speech", "variants", "faces")
ABOUT = "about.json"
_USES = ".uses"


@dataclass(frozen=True)
class CacheEntry:
    """One entry of a cache."""

    path: Path
    kind: str
    what: str  # of what it was made
    size: int  # bytes on the disk
    created: float  # seconds since the epoch
    used: float  # when a run last opened it
    runs: tuple[str, ...]  # folders of the runs that opened it
    in_use: bool  # whether a running run reads or makes it


def lock_of(folder: Path) -> Path:
    """Name the lock file of a folder that several runs may want to make."""
    return folder.with_name(f".{folder.name}.lock")


def _hold_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.held")


@contextmanager
def holding(folder: Path, run: Path) -> Iterator[None]:
    """Keep an entry from being removed, and note that this run uses it."""
    with ExitStack() as scope:
        try:
            scope.enter_context(locked(_hold_of(folder), wait=True, shared=True))
            _note_use(folder, run)
        except (NotWritableError, PermissionError):
            pass  # another user's cache can be read, not marked
        yield


def _note_use(folder: Path, run: Path) -> None:
    run = run.absolute()
    name = hashlib.sha256(str(run).encode()).hexdigest()[:16]
    note = folder.parent / _USES / folder.name / f"{name}.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"run": str(run)}))  # a torn one is written again, unread


def describe_entry(folder: Path, what: str) -> None:
    """Write into a new entry what it is computed from."""
    write_json(folder / ABOUT, {"what": what})


def list_entries(cache: Path) -> list[CacheEntry]:
    """List the entries of a cache, the last used first. Raises InputError if there is none."""
    if not cache.is_dir():
        raise InputError(
            f"{cache}: no such cache folder", hint="name it by --cache; recipes name it by `cache:`"
        )
    found = [
        _entry(path) for path in cache.iterdir() if path.is_dir() and path.name.partition("-")[0] in KINDS
    ]
    return sorted(found, key=lambda entry: (-entry.used, entry.path.name))


def _entry(path: Path) -> CacheEntry:
    kind, _, rest = path.name.partition("-")
    about = read_json(path / ABOUT)
    what = about.get("what") if isinstance(about, dict) else None
    half = path.name.endswith(".parts")
    uses = sorted(file for file in (path.parent / _USES / path.name).glob("*.json") if file.is_file())
    created = path.stat().st_mtime
    runs = [str(use["run"]) for file in uses if isinstance(use := read_json(file), dict) and "run" in use]
    return CacheEntry(
        path,
        kind,
        str(what or ("incomplete" if half else rest.rpartition("-")[0])),
        _size(path),
        created,
        max([created, *(file.stat().st_mtime for file in uses)]),
        tuple(runs),
        _is_in_use(path),
    )


def _size(folder: Path) -> int:
    """Count the bytes that a folder takes on the disk."""
    states = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum(512 * s.st_blocks if hasattr(s, "st_blocks") else s.st_size for s in states)


def _is_in_use(path: Path) -> bool:
    with _alone(path) as free:
        return not free


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Lock an entry for this process, if nobody creates or reads it; yields whether it is locked."""
    whole = path.with_name(path.name.removesuffix(".parts"))
    with locked(lock_of(whole), wait=False) as unmade:
        if not unmade:
            yield False
            return
        with locked(_hold_of(whole), wait=False) as unread:
            yield unread


def choose(
    entries: Sequence[CacheEntry], *, max_size: int | None, older_than: float | None, now: float
) -> list[CacheEntry]:
    """Choose what to remove: all not used for `older_than` seconds, then the longest unused.

    Goes on until the rest takes at most `max_size` bytes. What is held is never chosen.
    """
    free = sorted((e for e in entries if not e.in_use), key=lambda e: e.used)
    unused = [e for e in free if older_than is not None and now - e.used > older_than]
    left = sum(e.size for e in entries) - sum(e.size for e in unused)
    for entry in free:
        if max_size is None or left <= max_size:
            break
        if entry not in unused:
            unused.append(entry)
            left -= entry.size
    return unused


def prune(
    cache: Path, *, max_size: int | None = None, older_than: float | None = None, dry: bool = False
) -> list[CacheEntry]:
    """Remove what `choose` chooses; give what was removed (or would be, if `dry`)."""
    unused = choose(list_entries(cache), max_size=max_size, older_than=older_than, now=time.time())
    return unused if dry else [entry for entry in unused if _drop(entry.path)]


def _drop(path: Path) -> bool:
    with _alone(path) as free:
        if not free:  # a run came between
            return False
        gone = path.with_name(f".{path.name.removesuffix('.parts')}.part")
        remove(gone)
        path.rename(gone)  # from here on it is not there, however this process ends
        remove(gone)
        remove(path.parent / _USES / path.name)
        return True


def cached(folder: Path, make: Callable[[Path], None], what: str = "") -> Arrays:
    """Open a folder of arrays, making it first where it is not there; `what` says of what.

    Where another run is just making it, waits for that one.
    """
    with lock_to_make(folder):
        if not recover_folder(folder):
            with atomic_folder(folder) as part:
                make(part)
                describe_entry(part, what)
    return Arrays(folder)


@contextmanager
def lock_to_make(folder: Path) -> Iterator[None]:
    """Lock a folder that may have to be made; one that is there needs no lock to be read.

    Raises NotWritableError if it is missing and cannot be made by this user.
    """
    with ExitStack() as scope:
        try:
            scope.enter_context(locked(lock_of(folder), wait=True))
        except NotWritableError:
            if not folder.is_dir():
                raise
        yield
