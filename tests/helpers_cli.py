"""Calling the command line from tests: in this process, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from s2vkit.cli.guard import guard
from s2vkit.cli.main import cli

ROOT = Path(__file__).parent.parent
RECIPES = ROOT / "recipes"
_CALL = "from s2vkit.cli.main import main; main()"


class Called:
    """What a call of the command line did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


def call(capsys: pytest.CaptureFixture[str], *args: str | Path) -> Called:
    """Call s2vkit in this process."""
    capsys.readouterr()
    code = guard(cli, [str(a) for a in args])
    printed = capsys.readouterr()
    return Called(code, printed.out, printed.err)


def start(
    *args: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    before: str = "",
    call: str = _CALL,
) -> Called:
    """Call s2vkit in a process of its own; `before` is Python that runs first."""
    command = [sys.executable, "-c", f"{before}\n{call}", *map(str, args)]
    done = subprocess.run(command, env={**os.environ, **(env or {})}, cwd=cwd, capture_output=True, text=True)
    return Called(done.returncode, done.stdout, done.stderr)


def complete(*words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Ask for bash's completion of the last word."""
    asked = {
        "_S2VKIT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["s2vkit", *words]),
        "COMP_CWORD": str(len(words)),
    }
    return start(env={**asked, **(env or {})}, cwd=cwd).out
