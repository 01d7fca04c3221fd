"""Running cases in a child process: an error that is no message, a hang, a crash, a stray write."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LIMIT = 60.0  # s; a case that takes longer hangs, on a busy machine too
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = {  # which arguments of an event are paths that change
    "os.rename": (0, 1),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.mkdir": (0,),
    "os.link": (1,),
    "os.symlink": (1,),
}

Case = Callable[[int, Path], str]
"""Runs case `number` in a folder of its own; returns in a word what came of it."""


class Stray:
    """Notes every file that this process writes outside the folders it may write to."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] = ()
        self.found: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.allowed:
            return
        if event == "open" and isinstance(args[0], str | bytes | os.PathLike) and args[2] & _WRITING:
            self._check(args[0])
        below = isinstance(args[-1], int) and args[-1] >= 0 if event in _CHANGING else False
        for index in () if below else _CHANGING.get(event, ()):  # below: relative to an open folder
            self._check(args[index])

    def _check(self, path: Any) -> None:
        place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 (follows no link)
        if not place.startswith(self.allowed) and not place.startswith("/dev/"):
            self.found.append(place)


def run_cases(case: Case, numbers: list[int], work: Path, until: float) -> Iterator[tuple[int, str, str]]:
    """Run cases one after another until a time; yield (number, outcome, detail) of each.

    Outcomes are the cases' own words, or one of `error`, `hang`, `crash` and `stray write`: finds.
    """
    left = list(numbers)
    while left and time.monotonic() < until:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _child(case, left, work, writing, until)
        os.close(writing)
        begun = None
        for message in _messages(reading):
            if "outcome" in message:
                left.remove(message["number"])
                begun = None
                yield message["number"], message["outcome"], message["detail"]
            else:
                begun = message["number"]
        os.close(reading)
        if begun is not None:  # it died, or has to
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if begun is not None:
            left.remove(begun)
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            yield begun, "hang" if killed else "crash", f"status {status}"
        elif left and time.monotonic() < until and os.waitstatus_to_exitcode(status):
            raise RuntimeError(f"the campaign's own child failed: status {status}")


def _messages(reading: int) -> Iterator[dict[str, Any]]:
    waiting = b""
    while select.select([reading], [], [], LIMIT)[0]:
        chunk = os.read(reading, 65536)
        if not chunk:
            return
        *lines, waiting = (waiting + chunk).split(b"\n")
        yield from (json.loads(line) for line in lines)


def _child(case: Case, numbers: list[int], work: Path, writing: int, until: float) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    home = work / "elsewhere"
    home.mkdir(exist_ok=True)
    os.chdir(home)
    os.environ |= {"HOME": str(home), "TMPDIR": str(work / "tmp")}
    (work / "tmp").mkdir(exist_ok=True)
    stray = Stray()
    for number in numbers:
        if time.monotonic() > until:
            break
        os.write(writing, json.dumps({"number": number}).encode() + b"\n")
        outcome, detail = _outcome(case, number, work, stray)
        line = {"number": number, "outcome": outcome, "detail": detail[-1500:]}
        os.write(writing, json.dumps(line).encode() + b"\n")
    os._exit(0)


def _outcome(case: Case, number: int, work: Path, stray: Stray) -> tuple[str, str]:
    from s2vkit.errors import S2vkitError

    folder = work / "case"
    stray.found.clear()
    stray.allowed = (str(folder), str(work / "tmp"), str(work / "shared"))
    try:
        outcome, detail = case(number, folder), ""
    except S2vkitError as error:
        outcome, detail = f"refused ({type(error).__name__})", ""
        if not error.message.strip():
            outcome, detail = "error", "an empty message"
    except (Exception, SystemExit):
        outcome, detail = "error", traceback.format_exc()
    stray.allowed = ()
    if stray.found:
        return "stray write", str(stray.found[:3])
    return outcome, detail
