"""Steps a second of the stages of a recipe in fp32 and in bf16, and which of them `auto` takes here.

python benchmarks/precision.py                                      recipes/speech2video.yaml
python benchmarks/precision.py --recipe recipes/speech2video_128.yaml --stages compose --steps 15

The two precisions take turns, and the best round of each counts. The times are of the clock, so nothing
else may run on the machine. The networks are untrained and the corpus is one of two speakers, which changes
no cost of a step.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from contextlib import closing
from pathlib import Path

from measuring import load, machine, print_table, steps_a_second
from rich.console import Console

from s2vkit.device import choose
from s2vkit.engine.run import Run
from s2vkit.interfaces.stage import Stage
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe
from s2vkit.settings import Compute

ROOT = Path(__file__).parent.parent
PRECISIONS = ("fp32", "bf16")


def main() -> None:
    """Time each stage in each precision, in turn, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "speech2video.yaml")
    parser.add_argument("--stages", nargs="+", help="all that train, if not given")
    parser.add_argument("--steps", type=int, default=30, help="steps that are counted")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    print(f"{machine()}, {load()} before the first round; auto takes {choose(Compute()).precision}")
    with tempfile.TemporaryDirectory() as place:
        rows = []
        for stage in given.stages or _trained(given.recipe, place):
            rounds = [[_time(given, place, p, stage) for p in PRECISIONS] for _ in range(given.rounds)]
            exact, half = (max(found) for found in zip(*rounds, strict=True))
            rows.append((stage, f"{exact:.2f}", f"{half:.2f}", f"{half / exact:.2f}"))
    print_table(("stage", *(f"{precision}, steps a second" for precision in PRECISIONS), "times"), rows)


def _trained(recipe: Path, place: str) -> list[str]:
    """Name the stages of a recipe that train."""
    run = _open(recipe, place, "fp32")
    with closing(run.cache):
        return [step.name for step in run.plan.steps if isinstance(step.stage, Stage) and not step.idle]


def _time(given: argparse.Namespace, place: str, precision: str, stage: str) -> float:
    return steps_a_second(_open(given.recipe, place, precision), stage, given.steps)


def _open(recipe: Path, place: str, precision: str) -> Run:
    sets = [f"output={place}/{precision}", f"cache={place}/cache", "data.speakers=2"]
    loaded = load_recipe(recipe, [*sets, f"compute.precision={precision}"], registry())
    return Run(loaded, Path(place) / precision, Console(quiet=True), threading.Event(), registry())


if __name__ == "__main__":
    main()
