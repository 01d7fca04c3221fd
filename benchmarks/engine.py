"""What the engine itself costs in a step, beside the networks: loading, logging, callbacks, checkpoints.

python benchmarks/engine.py                                    compose of recipes/speech2video.yaml
python benchmarks/engine.py --recipe recipes/tiny.yaml --stage distill --steps 40

Processor time of all threads, so that other work on the machine does not count; waiting for a disk
does not either. What is done now and then counts as often as the recipe asks for it. The networks
are untrained and the corpus is one of two speakers, which changes no cost of a step.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from measuring import machine, print_table
from rich.console import Console

import s2vkit.engine.trainer as loop
from s2vkit.engine.callbacks.validation import Validation
from s2vkit.engine.run import Run
from s2vkit.engine.stage_run import trainer_of
from s2vkit.engine.stop import Stopped
from s2vkit.interfaces.stage import Stage
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe
from s2vkit.rendering.training_samples import SamplePictures

ROOT = Path(__file__).parent.parent
EVENTS = ("on_train_start", "on_step_end", "on_metrics", "on_checkpoint")
ASKED_FOR = ("pictures", "validation", "Averaging")  # what computes because the recipe says so
WARM = 5  # first steps that are not counted


class Costs:
    """Processor seconds by what they were spent on, once steps are counted."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.counts: dict[str, int] = defaultdict(int)

    def of(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return what does the same and is timed."""

        def timed(*args: Any, **named: Any) -> Any:
            start = time.process_time()
            try:
                return work(*args, **named)
            finally:
                self.seconds[name] += time.process_time() - start
                self.counts[name] += 1

        return timed

    def once(self, name: str) -> float:
        """Return the mean seconds of a call."""
        return self.seconds[name] / max(1, self.counts[name])


def main() -> None:
    """Train some steps, and print what each part of the engine took of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "speech2video.yaml")
    parser.add_argument("--stage", default="compose")
    parser.add_argument("--steps", type=int, default=60, help="steps that are counted")
    parser.add_argument("--cache", type=Path, help="where corpus and features are kept; none: not kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        sets = [f"output={place}/run", f"cache={given.cache or Path(place) / 'cache'}", "data.speakers=2"]
        loaded = load_recipe(given.recipe, [*sets, "compute.threads=1"], registry())
        folder = Path(place) / "run"
        run = Run(loaded, folder, Console(quiet=True), threading.Event(), registry())
        with closing(run.cache):
            run.open_corpus()
            show(measure(run, given.stage, given.steps), run, given.stage)


def measure(run: Run, name: str, steps: int) -> Costs:
    """Do so many steps of a stage, each part of the engine timed."""
    step = next(step for step in run.plan.steps if step.name == name)
    assert isinstance(step.stage, Stage)
    step.stage.sample_pictures = 1  # one in all, timed below
    trainer, costs = trainer_of(run, step, step.stage), Costs()
    trainer.batches = costs.of("loading of batches", trainer.batches)
    for callback in trainer.callbacks:
        for event in EVENTS:
            setattr(callback, event, costs.of(type(callback).__name__, getattr(callback, event)))
    loop.check_metrics = costs.of("reading of metrics", loop.check_metrics)
    trainer._save = costs.of("checkpoint", trainer._save)  # type: ignore[method-assign]
    trainer.step = costs.of("step", trainer.step)  # type: ignore[method-assign]

    def enough() -> bool:
        if trainer.state.step == WARM:
            costs.seconds.clear()
            costs.counts.clear()
        return trainer.state.step >= WARM + steps

    with suppress(Stopped):
        trainer.run(run.folder / "stages" / name, save_seconds=1e9, stopped=enough)
    for callback in trainer.callbacks:
        if isinstance(callback, SamplePictures) and callback.clips:
            costs.of("pictures", callback.draw)(trainer.state)
        if isinstance(callback, Validation) and callback.clips is not None:
            costs.of("validation", callback._measure)(trainer.state, callback.clips)
    return costs


def show(costs: Costs, run: Run, name: str) -> None:
    """Print milliseconds a step and shares, what comes now and then spread over all steps."""
    stage = run.stages[name]
    assert isinstance(stage, Stage)
    pictures, total = getattr(stage.options, "samples", 0), stage.options.steps
    often = {
        "checkpoint": costs.once("step") / run.recipe.checkpoint_seconds,
        "pictures": pictures / total,
        "validation": 1 / max(1, stage.validate_every),
    }
    steps = costs.counts["step"]
    spent = {
        part: costs.once(part) * often[part] if part in often else seconds / steps
        for part, seconds in costs.seconds.items()
    }
    step = spent.pop("step") - spent["loading of batches"]  # it is within the step
    whole = step + sum(spent.values())
    asked = sum(spent.get(part, 0.0) for part in ASKED_FOR)
    rows = [*sorted(spent.items(), key=lambda row: -row[1])]
    rows += [("what the recipe asks for besides", asked), ("the engine's own", whole - step - asked)]
    print(machine())
    print(f"{run.loaded.path.name}, {name}: {1e3 * whole:.0f} ms of processor time a step\n")
    cells = [(part, f"{1e3 * value:.2f}", f"{value / whole:.2%}") for part, value in rows]
    print_table(("part", "ms a step", "share"), cells)


if __name__ == "__main__":
    main()
