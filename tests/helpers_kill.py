"""A process that runs the toy recipe in children and kills them; it imports torch only once.

    python helpers_kill.py FOLDER SEED        prints one JSON object: what was killed, and when
    python helpers_kill.py FOLDER SEED COUNT  kills so many children at random moments of the whole run

It must not have computed anything with threads before it forks, hence a process of its own.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import sys
import time
from pathlib import Path

import helpers_toy
import matplotlib.figure  # noqa: F401  imported once, not in every child
from helpers_toy import load_toy
from rich.console import Console

import s2vkit.rendering.held_out
from s2vkit.engine.run import run_recipe
from s2vkit.engine.view import View

PHASES = (
    "checking the machine",
    "corpus",
    "train_teachers",
    "train_evaluators",
    "speech features",
    "identity vectors of every clip",
    "emotion vectors of every clip",
    "distill",
    "compose",
    "evaluate",
    "pictures",
)
OPERATIONS = ("replace", "rename")
SETS = ("checkpoint_seconds=0.001",)
PAUSE = 0.06  # seconds at each step of whatever runs, so that a kill comes in the middle of it
LONGEST = {
    "corpus": 0.6,
    "train_teachers": 0.2,
    "train_evaluators": 0.2,
    "distill": 0.3,
    "compose": 0.2,
    "evaluate": 0.2,
}
"""Seconds after its start by which a phase is killed at the latest."""
LIMIT = 120.0  # seconds that a child may take


def main(folder: Path, seed: int) -> None:
    """Kill in every phase, then at some file operations, then let the last child finish."""
    draw = random.Random(seed)
    killed = {"phases": [], "operations": []}
    left = list(PHASES)
    while left:
        met = kill_in(folder, left, draw)
        if met is None:
            break
        killed["phases"].append(met)
        left = left[left.index(met) + 1 :]
    for count in draw.sample(range(1, 30), 5):
        if fork(folder / "operations", killed_at=count) == signal.SIGKILL:
            killed["operations"].append(count)
    ends = [fork(folder), fork(folder / "operations")]
    print(json.dumps({**killed, "ends": ends}))


def kill_often(folder: Path, seed: int, count: int) -> None:
    """Kill children one after the other, each a random time after its start, then let the last finish."""
    draw, killed, tries = random.Random(seed), 0, 0
    while killed < count and tries < 3 * count:
        tries += 1
        child = os.fork()
        if child == 0:
            run(folder, os.open(os.devnull, os.O_WRONLY))
        time.sleep(draw.uniform(0.05, 2.5))
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        if (folder / "run" / "report.html").exists():  # it has come to its end: begin it anew
            shutil.rmtree(folder)
    print(json.dumps({"killed": killed, "end": fork(folder)}))


def kill_in(folder: Path, phases: list[str], draw: random.Random) -> str | None:
    """Start a child and kill it some time after it says that the first of the phases begins.

    Gives the phase. On a busy machine a phase can be over before the kill came; then the next
    one is met. None: the child has ended by itself.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        run(folder, writing)
    os.close(writing)
    seen, start = b"", time.monotonic()
    while not (met := first_in(seen.decode(errors="ignore"), phases)):
        ready, _, _ = select.select([reading], [], [], LIMIT)
        chunk = os.read(reading, 65536) if ready else b""
        if not chunk or time.monotonic() - start > LIMIT:
            break
        seen += chunk
    time.sleep(draw.uniform(0.0, LONGEST.get(met, 0.05)))
    os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    return met if os.WIFSIGNALED(status) else None


def first_in(text: str, phases: list[str]) -> str | None:
    """Find which of the phases has begun."""
    return next((phase for phase in phases if f"\n{phase}" in f"\n{text}"), None)


def fork(folder: Path, killed_at: int = 0) -> int:
    """Run in a child that kills itself at a file operation, if told so; 0 or the signal."""
    child = os.fork()
    if child == 0:
        if killed_at:
            count_down(killed_at)
        run(folder, os.open(os.devnull, os.O_WRONLY))
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else os.WTERMSIG(status)


def count_down(left: int) -> None:
    """Let this process die at its n-th renaming: before it or after it, in turn."""
    counter = {"left": left}

    def dying(operation):
        def wrapped(*args, **kwargs):
            counter["left"] -= 1
            if counter["left"] == 0 and left % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            done = operation(*args, **kwargs)
            if counter["left"] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return wrapped

    for name in OPERATIONS:
        setattr(Path, name, dying(getattr(Path, name)))


def run(folder: Path, output: int) -> None:
    """Run the recipe in this child, and end it."""
    try:
        with os.fdopen(output, "w", buffering=1) as file:
            console = Console(file=file, width=200)
            loaded = load_toy(folder, *SETS)
            run_recipe(loaded, console=console, registry=helpers_toy.REGISTRY)
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def slow(advance):
    """Make each step of whatever runs take longer."""

    def advancing(*args, **kwargs):
        advance(*args, **kwargs)
        time.sleep(PAUSE)

    return advancing


if __name__ == "__main__":
    View.advance = slow(View.advance)
    s2vkit.rendering.held_out.draw_curves = lambda *args: True  # seconds of matplotlib each
    if len(sys.argv) > 3:
        kill_often(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]))
