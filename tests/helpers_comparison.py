"""Finished runs made by hand, as a run leaves them, for the tests of comparisons."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

RECIPE = {
    "format": 2,
    "name": "a system",
    "seed": 1,
    "output": "x",
    "cache": "c",
    "data": {"use": "synthetic", "speakers": 2, "size": 32},
    "audio_encoder": {"use": "cpc"},
    "generator": {"use": "frame_decoder"},
    "evaluators": {"identity": {"use": "timm"}},
    "compute": {"device": "auto"},
    "checkpoint_seconds": 30.0,
    "stages": {
        "train_evaluators": {"use": "classify", "of": "train_evaluators"},
        "evaluate": {"use": "evaluate", "split": "test", "clips": None, "metrics": {}},
    },
}
USES = {"ssim": "ssim", "who": "identity_accuracy", "lse_d": "lse_d", "offset": "av_offset", "fid": "fid"}


def write_run(
    folder: Path,
    figures: Mapping[str, Mapping[str, float]],
    *,
    seed: int = 1,
    generator: str = "frame_decoder",
    clips: bool = True,
    whole: Mapping[str, float] | None = None,
    real: float | None = 1.0,
    definition: str = "as defined",
    **recipe,
) -> Path:
    """Write a finished run: `figures` is metric -> clip -> figure, `whole` metric -> figure."""
    made = {**copy.deepcopy(RECIPE), "seed": seed, "output": str(folder), **recipe}
    made["generator"] = {"use": generator}
    names = [*figures, *(whole or {})]
    made["stages"]["evaluate"]["metrics"] = {name: {"use": USES[name]} for name in names}
    (folder / "stages").mkdir(parents=True)
    for stage in made["stages"]:
        done = {"result": f"{stage}-{seed}", "seconds": 1.0}
        (folder / "stages" / stage).mkdir()
        (folder / "stages" / stage / "done.json").write_text(json.dumps(done))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(made, sort_keys=False))
    versions = {"s2vkit": "0.1.0", "torch": "2"}
    (folder / "run.json").write_text(json.dumps({"format": 2, "versions": versions}))
    scores = {
        name: {
            "value": sum(of.values()) / len(of),
            "on_real": real,
            "chance": 0.5,
            "n": len(of),
            "definition": f"{name} {definition}",
            "over": "mean",
            "details": {},
        }
        for name, of in figures.items()
    }
    for name, value in (whole or {}).items():
        scores[name] = {
            "value": value,
            "on_real": real,
            "chance": None,
            "n": 9,
            "definition": f"{name} {definition}",
        }
    (folder / "metrics.json").write_text(json.dumps(scores))
    if clips:
        write_clips(folder / "clips.csv", figures)
    return folder


def write_clips(path: Path, figures: Mapping[str, Mapping[str, float]]) -> None:
    """Write the figures of clips."""
    names = sorted({clip for of in figures.values() for clip in of})
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["clip", "split", "label.identity", *figures])
        for clip in names:
            rows.writerow([clip, "test", "s0", *(of.get(clip, "") for of in figures.values())])


def clips_of(*values: float) -> dict[str, float]:
    """Name the figures of clips."""
    return {f"c{number}": value for number, value in enumerate(values)}


def write_two(home):
    """Two systems, one at two seeds; titles that every format has to escape."""
    rng = np.random.default_rng(3)
    for name, generator, seed, shift in (
        ("ours", "frame_decoder", 1, 0.0),
        ("ours", "frame_decoder", 2, 0.02),
        ("S2F+SDFA_50%", "sdfa", 1, -0.1),
    ):
        values = np.round(0.7 + shift + rng.normal(0, 0.02, 12), 3)
        figures = {"ssim": clips_of(*values), "lse_d": clips_of(*(9 - values))}
        whole = {"fid": 12.5 + seed} if name == "ours" else None
        write_run(home / f"{name}-{seed}", figures, generator=generator, seed=seed, whole=whole)
    return home
