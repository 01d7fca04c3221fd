"""Steps a second of one process and of several, each with one thread, at a stage of a recipe.

python benchmarks/processes.py                                    compose of recipes/speech2video.yaml
python benchmarks/processes.py --recipe recipes/tiny.yaml --steps 5 --rounds 1

The batch of a step is that of the recipe, shared by the processes; they communicate through gloo. The times
are of the clock, with loading, logging and callbacks, so nothing else may run on the machine. Numbers of
processes take turns, and the best round of each counts. The last column is what the machine allows: as many
processes side by side that share nothing, each with its part of the batch; where that is far below their
number, cores wait for the memory that they share. The networks are untrained and the corpus is one of
two speakers, which changes no cost of a step.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measuring import load, machine, print_table, steps_a_second
from rich.console import Console

from s2vkit.engine.run import Run
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Time each number of processes in turn, and print a table."""
    given = _arguments()
    if given.place:
        _measure(given)
        return
    with tempfile.TemporaryDirectory() as place:
        _start(place, 1)  # the corpus and the features are cached before anything is timed
        print(f"{machine()}, {load()} before the first round")
        rounds = [[_both(place, count) for count in given.processes] for _ in range(given.rounds)]
    together, apart = (
        [max(of_count) for of_count in zip(*found, strict=True)]
        for found in zip(*(zip(*one, strict=True) for one in rounds), strict=True)
    )
    rows = [
        (str(count), f"{speed:.3f}", f"{speed / together[0]:.2f}", f"{alone / together[0]:.2f}")
        for count, speed, alone in zip(given.processes, together, apart, strict=True)
    ]
    print(f"{given.recipe.name}, {given.stage}, {given.steps} steps, best of {given.rounds}\n")
    first = given.processes[0]
    print_table(("processes of one thread", "steps a second", f"times {first}", "sharing nothing"), rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "speech2video.yaml")
    parser.add_argument("--stage", default="compose")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=30, help="steps that are counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-norm", choices=("synchronized", "local"), default="synchronized")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)  # of a process that is timed
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--part", type=int, default=1, help=argparse.SUPPRESS)
    return parser.parse_args()


def _both(place: str, count: int) -> tuple[float, float]:
    """Give the steps a second of processes that share each batch, and of ones that share nothing."""
    together = _start(place, count)
    if count == 1:
        return together, together
    with ThreadPoolExecutor(count) as pool:
        apart = list(pool.map(lambda number: _start(place, 1, part=count, name=f"run{number}"), range(count)))
    return together, min(apart)


def _start(place: str, count: int, part: int = 1, name: str = "run") -> float:
    """Run this script in so many processes, on a part of the batch; gives the steps a second."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    command += [__file__, *sys.argv[1:], "--place", place, "--part", str(part), "--name", name]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit("a measured process failed; its message stands above")
    return float(done.stdout)


def _measure(given: argparse.Namespace) -> None:
    """Train some steps in this process, one of those that share each batch; rank 0 prints their speed."""
    sets = [
        *given.sets,
        f"output={given.place}/{given.name}",
        f"cache={given.place}/cache",
        "data.speakers=2",
        "compute.threads=1",
        f"compute.batch_norm={given.batch_norm}",
        f"compute.precision={given.precision}",
    ]
    loaded = load_recipe(given.recipe, sets, registry())
    if given.part > 1:
        batch = loaded.recipe.stages[given.stage].options.batch // given.part
        loaded = load_recipe(given.recipe, [*sets, f"stages.{given.stage}.batch={batch}"], registry())
    run = Run(loaded, given.place / given.name, Console(quiet=True), threading.Event(), registry())
    speed = steps_a_second(run, given.stage, given.steps)
    if run.group.leads:
        print(speed)


if __name__ == "__main__":
    main()
