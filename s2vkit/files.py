"""Writing files so that a kill or a full disk never leaves half of one behind. No torch."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from s2vkit.errors import InputError, ResourceError
from s2vkit.leftovers import part_of, remove_leftovers

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; it takes the place of `path` only on success.

    Missing folders are made. Whatever ends the block early removes the temporary file and
    goes on; what a kill left is removed by the next process that writes there. Raises
    InputError if `path` is a folder.
    """
    path = Path(path).absolute()
    part = part_of(path)
    mode = _probe(path, part)
    remove_leftovers(path.parent)
    try:
        yield part
        with suppress(PermissionError):  # a link to another user's file
            part.chmod(mode)
        sync(part)
        part.replace(path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise InputError unless a file can be written at `path`; makes nothing."""
    path = path.absolute()
    if path.is_dir():
        raise InputError(f"{path}: is a folder, so no file can be written there")
    there = _existing(path.parent)
    if any(p.exists() for p in (path.parent, *path.parent.parents) if len(p.parts) > len(there.parts)):
        raise InputError(f"{path}: cannot be written: a part of its path is a file, not a folder")
    _probe(path, there / f".{uuid.uuid4().hex}.part")


def _probe(path: Path, part: Path) -> int:
    """Create `part` and remove it again; return the mode that the umask gives a file.

    What libraries make of their own is often readable by its owner alone.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, so no file can be written there")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise InputError(
            f"{path}: cannot be written: {error.strerror}", hint=_hint_for(path.parent, "name another place")
        ) from error
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
        part.unlink(missing_ok=True)


def mode_by_umask(path: Path) -> None:
    """Give a file the mode that the umask asks for, as if Python had opened it."""
    probe = path.with_name(f".{uuid.uuid4().hex}.part")
    path.chmod(_probe(path, probe))


def _hint_for(path: Path, otherwise: str) -> str:
    """Say whose a path is, if it is another user's."""
    try:
        there = path if path.exists() else _existing(path)
        if there.stat().st_uid == os.getuid():
            return otherwise
        return f"{there} belongs to {there.owner()}; {otherwise}, or ask for access"
    except (OSError, KeyError, AttributeError, NotImplementedError):
        return otherwise


def unreadable_hint(path: Path, otherwise: str) -> str:
    """Return what to do about a file that cannot be read: another user's is not to be deleted."""
    if path.exists() and not os.access(path, os.R_OK):
        return _hint_for(path, "ask its owner to make it readable (chmod a+r)")
    return otherwise


def expand_home(text: str) -> str:
    """Replace a `~` or `~user` that begins a path by that home folder."""
    return os.path.expanduser(text) if text.startswith("~") and "/" in text else text  # noqa: PTH111 (never raises)


def sync(path: Path) -> None:
    """Force a written file to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Force to the disk which files a folder holds: a rename counts only then.

    Where a system or its file system knows nothing of the kind, nothing happens.
    """
    if os.name == "nt":
        return
    try:
        sync(path)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def write_text(path: Path, text: str) -> None:
    """Write text, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write data as JSON, whole or not at all."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; None if there is no such file, or only a damaged one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON objects, one a line; what is none (a kill cut it short) is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [found for line in lines if isinstance(found := _parsed(line), dict)]


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


@contextmanager
def atomic_folder(path: Path, *, keep_former: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it takes the place of what is there.

    A kill at any moment leaves the former folder or the new one, if need be for
    `recover_folder` to bring back. With `keep_former` what was there stays beside it, as `former`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    recover_folder(path)
    part, old = path.with_name(f".{path.name}.part"), former(path)
    for left in [part] if keep_former else [part, old]:
        shutil.rmtree(left, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        for file in part.rglob("*"):
            (sync_folder if file.is_dir() else sync)(file)
        sync_folder(part)
        if path.is_dir():
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
        part.rename(path)
        sync_folder(path.parent)
    finally:
        recover_folder(path)
        for left in [part] if keep_former else [part, old]:
            shutil.rmtree(left, ignore_errors=True)


def recover_folder(path: Path) -> bool:
    """Bring back what a kill in the middle of `atomic_folder` left; say whether it is there."""
    old = former(path)
    if not path.is_dir() and old.is_dir():
        old.rename(path)
    return path.is_dir()


def former(path: Path) -> Path:
    """Name where `atomic_folder` puts the former folder, for a moment or to keep it."""
    return path.with_name(f".{path.name}.old")


def clear_parts(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder and below it."""
    for left in list(folder.rglob(".*.part*")):
        remove(left)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, *, wait: bool, shared: bool = False) -> Iterator[bool]:
    """Hold a lock file for this process, alone or `shared` with others; gives whether it is held.

    The lock goes with the process, however that ends. Where the system has no such locks
    (Windows), it is always given.
    """
    try:
        import fcntl
    except ImportError:
        yield True
        return
    descriptor = _open_lock(path)
    try:
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(descriptor, kind | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


class NotWritableError(InputError):
    """A folder in which this user may create nothing."""


def _open_lock(path: Path) -> int:
    """Open a lock file; another user's is opened for reading, which is enough to lock it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        with suppress(OSError):
            return os.open(path, os.O_RDONLY)
        raise NotWritableError(
            f"{path.parent}: cannot be written: {error.strerror}",
            hint=_hint_for(path.parent, "name a folder of your own by `output:` or `cache:`"),
        ) from error


@contextmanager
def naming_full_disk(*folders: Path) -> Iterator[None]:
    """Turn every way in which a full disk shows into one ResourceError that names the folder."""
    try:
        yield
    except Exception as error:
        if not disk_is_full(error):
            raise
        fullest = min(map(_existing, folders), key=lambda p: shutil.disk_usage(p).free)
        raise ResourceError(
            f"{fullest}: no space left on the disk",
            hint="free some space, or name another place; then the same command continues",
        ) from error


def disk_is_full(error: BaseException) -> bool:
    """Return whether an error is a full disk, as Python, numpy, safetensors or FFmpeg report it."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    text = str(error)
    short = isinstance(error, OSError) and " requested and " in text and text.endswith(" written")
    return short or "No space left on device" in text or "os error 28" in text


def _existing(folder: Path) -> Path:
    return next(p for p in (folder.absolute(), *folder.absolute().parents) if p.is_dir())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
