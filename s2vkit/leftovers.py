"""Names of files that are being written, and removing those that killed processes left. No torch."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

_PART = re.compile(r"\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{32}\.part(\.\w+)?")


def part_of(path: Path) -> Path:
    """Name the file beside `path` that is written in its place; the name says by which process."""
    return path.with_name(f".{_machine()}-{os.getpid()}-{uuid.uuid4().hex}.part{path.suffix}")


@cache
def remove_leftovers(folder: Path) -> None:
    """Remove from a folder, once a process, what killed processes of this machine were writing there."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _PART.fullmatch(entry.name)
            if found and found["machine"] == _machine() and not _runs(int(found["process"])):
                with suppress(OSError):  # another user's
                    os.unlink(entry.path)  # noqa: PTH108 (an entry is no Path)


def _runs(process: int) -> bool:
    """Return whether a process of this machine runs; where it cannot be asked, it might."""
    if os.name == "nt":  # where signal 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


@cache
def _machine() -> str:
    """Name in 8 letters what numbers the processes: this machine, or the container on it."""
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 (no file is there)
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]
