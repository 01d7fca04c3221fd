"""What the command line is started in: its streams, signals and home folder."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

_SIGNALS = ("SIGTERM", "SIGHUP")


class Terminated(KeyboardInterrupt):
    """Somebody asked this process to end; it cleans up as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def open_streams() -> None:
    """Let no character and no closed stream end a command.

    What a stream's encoding lacks is written as `?`; where a stream is closed, nothing is.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if name == "stdout" else "backslashreplace")


def close_stdout() -> None:
    """Write no more: whoever read the output has left."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def end_on_signals() -> None:
    """Let TERM, and a terminal that closes, end this process as Ctrl-C does.

    A signal that is ignored, as under nohup, stays ignored.
    """
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)


def expand_homes(args: Sequence[str]) -> list[str]:
    """Replace `~` where a shell leaves it: in `--output=~/x`, and in arguments that were quoted."""
    from s2vkit.files import expand_home

    return [_expand(arg, expand_home(arg)) for arg in args]


def _expand(arg: str, expanded: str) -> str:
    from s2vkit.files import expand_home

    option, equals, value = arg.partition("=")
    if arg.startswith("--") and equals:
        return f"{option}={expand_home(value)}"
    return expanded
