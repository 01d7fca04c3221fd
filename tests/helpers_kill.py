"""A process that runs the toy recipe in children and kills them; it imports torch only once.

    python helpers_kill.py FOLDER SEED        prints one JSON object: what was killed, and when
    python helpers_kill.py FOLDER SEED COUNT  kills so many that run tiny.yaml, at random moments

It must not have computed anything with threads before it forks, hence a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import helpers_toy
import matplotlib.figure  # noqa: F401  imported once, not in every child
from helpers_toy import load_toy
from rich.console import Console

import s2vkit.rendering.held_out
from s2vkit.engine.run import run_recipe
from s2vkit.engine.view import View
from s2vkit.recipe.load import Loaded, load_recipe

Load = Callable[[Path], Loaded]
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
LIVES = (0.05, 8.0)  # processor seconds of a run of tiny.yaml; it takes about a minute of them
LIMIT = 120.0  # seconds that a child may take


def load_small(folder: Path) -> Loaded:
    """Load the toy recipe."""
    return load_toy(folder, *SETS)


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
    """Let one child run tiny.yaml; then kill children that run it, and let the last one finish.

    A child is killed after random seconds of processor time, so that a busy machine changes nothing.
    """
    whole, killed, draw = folder / "whole", folder / "killed", random.Random(seed)
    ends, phases = [fork(whole, tiny)], []
    runs = [digest(whole)]
    while killed.exists() or len(phases) < count:
        after = draw.uniform(*LIVES) if len(phases) < count else None
        ends.append(fork(killed, tiny, killed_after=after))
        if ends[-1] == signal.SIGKILL:
            phases.append(stage_of(killed))
        elif ends[-1]:
            break
        else:  # this run has come to its end; another begins if not all are killed yet
            runs.append(digest(killed))
            shutil.rmtree(killed)
    print(json.dumps({"phases": phases, "ends": ends, "runs": runs}))


def tiny(folder: Path) -> Loaded:
    """Load tiny.yaml as it is, with results and caches in a folder."""
    places = (f"output={folder}/run", f"cache={folder}/cache", "compute.threads=1", "compute.workers=0")
    return load_recipe(helpers_toy.ROOT / "recipes" / "tiny.yaml", (*places, *SETS), helpers_toy.REGISTRY)


def stage_of(folder: Path) -> str:
    """Name the last stage of a run that has begun."""
    begun = sorted((folder / "run" / "stages").glob("*/identity"), key=lambda path: path.stat().st_mtime_ns)
    return begun[-1].parent.name if begun else "before the first stage"


def digest(folder: Path) -> str:
    """Hash the metrics and all weights of a run; nothing that was half written may be left."""
    assert list(folder.rglob(".*.part*")) == []
    return hashlib.sha256(repr(sorted(helpers_toy.results(folder).items())).encode()).hexdigest()


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


def fork(folder: Path, load: Load = load_small, killed_at: int = 0, killed_after: float | None = None) -> int:
    """Run in a child that kills itself at a file operation or after some time; 0 or the signal."""
    child = os.fork()
    if child == 0:
        if killed_at:
            count_down(killed_at)
        if killed_after is not None:
            threading.Thread(target=die_after, args=(killed_after,), daemon=True).start()
        run(folder, os.open(os.devnull, os.O_WRONLY), load)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else os.WTERMSIG(status)


def die_after(seconds: float) -> None:
    """Kill this process once it has had so many seconds of the processor."""
    while time.process_time() < seconds:
        time.sleep(0.002)
    os.kill(os.getpid(), signal.SIGKILL)


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


def run(folder: Path, output: int, load: Load = load_small) -> None:
    """Run a recipe in this child, and end it."""
    try:
        with os.fdopen(output, "w", buffering=1) as file:
            console = Console(file=file, width=200)
            run_recipe(load(folder), console=console, registry=helpers_toy.REGISTRY)
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def interrupted_in(phase, advance):
    """Press Ctrl-C once some steps of a phase are done."""
    pressed = []

    def advancing(self, done, total, figures=None):
        advance(self, done, total, figures)
        if self._title.startswith(phase) and done >= min(2, total) and not pressed:
            pressed.append(phase)
            signal.raise_signal(signal.SIGINT)

    return advancing


def slow(advance):
    """Make each step of whatever runs take longer."""

    def advancing(*args, **kwargs):
        advance(*args, **kwargs)
        time.sleep(PAUSE)

    return advancing


if __name__ == "__main__":
    s2vkit.rendering.held_out.draw_curves = lambda *args: True  # seconds of matplotlib each
    if len(sys.argv) > 3:
        kill_often(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    else:
        View.advance = slow(View.advance)
        main(Path(sys.argv[1]), int(sys.argv[2]))
