"""How well landmarks find the points of drawn faces: those that a run has trained, and others beside them.

python benchmarks/landmarks.py RUN [--beside darkness] [--clips 24] prints a table in Markdown: the error
on real held-out clips, and how the mouth's opening correlates with the true one, on real and on generated
clips, means over clips. The run's evaluator `mouth_aperture` stands beside them where there is one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from measuring import print_table
from rich.console import Console
from s2vkit_dynamics.definitions import interocular, openness
from torch import Tensor

from s2vkit.benchmark.finished_runs import read_recipe_of
from s2vkit.benchmark.measure import opened
from s2vkit.interfaces.landmarks import Landmarks
from s2vkit.interfaces.metric import Outcome
from s2vkit.plugins import registry

HEADINGS = (
    *("landmarks", "error, px", "of the eyes' distance"),
    *("on real clips", "the least", "on generated clips"),
)
Opening = Callable[[Tensor], np.ndarray]  # of frames (V, 3, H, W): (V,)


def points_of(finder: Landmarks, frames: Tensor) -> np.ndarray:
    """Find the points (V, P, 3) of frames."""
    with torch.no_grad():
        return finder(frames).cpu().double().numpy()


def errors(finder: Landmarks, outcome: Outcome) -> tuple[float, float]:
    """Return the mean distance to the true points, in pixels and in distances of the eyes."""
    true = outcome.truth["landmarks"].astype(float)
    found = points_of(finder, outcome.real)[..., :2]
    apart = np.linalg.norm(found - true, axis=2)
    return float(apart.mean()), float((apart / interocular(true, finder.groups)[:, None]).mean())


def agreement(opening: Opening, frames: Tensor, outcome: Outcome) -> float:
    """Correlate the opening of frames with the true one of the clip."""
    return float(np.corrcoef(opening(frames), outcome.truth["mouth_aperture"])[0, 1])


def ways(outcome: Outcome, beside: dict[str, Landmarks]) -> Iterator[tuple[str, Landmarks | None, Opening]]:
    """Name all that measures how far a mouth is open."""
    for name, finder in {"of the run": outcome.landmarks, **beside}.items():
        yield name, finder, lambda frames, finder=finder: openness(points_of(finder, frames), finder.groups)
    if evaluator := outcome.evaluators.get("mouth_aperture"):
        yield (
            "evaluator `mouth_aperture`",
            None,
            lambda frames: evaluator.classify(frames)[:, 0].cpu().numpy(),
        )


def row(name: str, values: list[dict[str, float]]) -> tuple[str, ...]:
    """Write a row of the table: means over clips, and of the real ones the least."""
    columns = {key: [one[key] for one in values] for key in values[0]}
    errors = (
        [f"{np.mean(columns['px']):.2f}", f"{np.mean(columns['share']):.1%}"] if "px" in columns else ["", ""]
    )
    real, generated = columns["real"], columns["generated"]
    return (name, *errors, f"{np.mean(real):.3f}", f"{min(real):.3f}", f"{np.mean(generated):.3f}")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--beside", action="append", default=[])
    arguments.add_argument("--clips", type=int)
    given = arguments.parse_args()
    known = registry()
    entries = {name: known.get("landmarks", name) for name in given.beside}
    beside = {name: entry.load()(entry.options()) for name, entry in entries.items()}
    found: dict[str, list[dict[str, float]]] = {}
    recipe, stage = read_recipe_of(given.run)
    with opened(given.run, Console(stderr=True), known, device="cpu") as run, torch.no_grad():
        for outcome in run.work().outcomes(recipe["stages"][stage]["split"], given.clips):
            for name, finder, opening in ways(outcome, beside):
                values = {
                    "real": agreement(opening, outcome.real, outcome),
                    "generated": agreement(opening, outcome.generated, outcome),
                }
                if finder is outcome.landmarks:
                    values["px"], values["share"] = errors(finder, outcome)
                found.setdefault(name, []).append(values)
    print_table(HEADINGS, [row(name, values) for name, values in found.items()])


if __name__ == "__main__":
    main()
