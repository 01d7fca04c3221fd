"""What a finished run contains: its recipe, its figures, and those of every clip."""

from __future__ import annotations

import csv
import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import yaml

from s2vkit.errors import RunFolderError, S2vkitError
from s2vkit.files import read_json
from s2vkit.recipe.convert import to_plain
from s2vkit.recipe.load import recipe_from_data

_NO_CLIPS = "its figures of single clips are not there (made before clips.csv)"


@dataclass(frozen=True)
class Figure:
    """One figure of one run."""

    value: float | None
    on_real: float | None
    chance: float | None
    n: int
    definition: str
    over: str  # mean or median: how the value follows from the clips'
    clips: dict[str, float]  # empty if there are none
    why: str = ""  # why there are none


@dataclass(frozen=True)
class Finished:
    """One finished run, as it was measured once."""

    folder: Path
    recipe: dict[str, Any]
    stage: str  # of the recipe: the one that measured
    split: str
    max_clips: int | None  # clips measured at most
    metrics: dict[str, dict[str, Any]]  # name -> the slot of the recipe
    figures: dict[str, Figure]
    place: Path  # where metrics.json and clips.csv lie
    about: dict[str, Any]  # run.json, or what `--again` left beside its figures
    results: dict[str, str]  # what tells each finished stage's result from others

    @property
    def seed(self) -> int:
        """Return the run's seed."""
        return int(self.recipe["seed"])

    @property
    def command(self) -> str:
        """Return the command that made the run, or one that makes it again."""
        about = read_json(self.folder / "run.json") or self.about
        again = shlex.join(["s2vkit", "run", str(self.folder / "recipe.yaml")])
        return str(about.get("command") or again)


def read_run(folder: Path, place: Path | None = None) -> Finished:
    """Read a finished run; `place` is where its figures lie, if not in the run folder itself.

    Raises RunFolderError if the folder is no run, is not finished, or a file is damaged.
    """
    about = _about(folder)
    recipe = _recipe(folder)
    stage = measuring_stage(folder, recipe)
    check_finished(folder, stage)
    settings, place = dict(recipe["stages"][stage]), place or folder
    if place != folder:
        about = _json(place / "about.json")
        settings.update({k: about[k] for k in ("split", "clips", "metrics") if k in about})
    return Finished(
        folder,
        recipe,
        stage,
        str(settings["split"]),
        settings.get("clips"),
        dict(settings["metrics"]),
        read_figures(place),
        place,
        about,
        results_of(folder),
    )


def read_recipe_of(folder: Path) -> tuple[dict[str, Any], str]:
    """Return a run's recipe and the name of the stage that measures; RunFolderError if it cannot."""
    _about(folder)
    recipe = _recipe(folder)
    return recipe, measuring_stage(folder, recipe)


def _about(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise RunFolderError(
            f"{folder}: no such run folder", hint="`s2vkit run RECIPE` makes one, named by `output:`"
        )
    if not (folder / "run.json").is_file():
        inner = sorted(path.parent.name for path in folder.glob("*/run.json"))
        hint = f"it holds runs; name those: {', '.join(inner[:4])} ..." if inner else ""
        raise RunFolderError(f"{folder}: not a run folder: it has no run.json", hint=hint)
    return _json(folder / "run.json")


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"{path}: damaged: {error}", hint="run its recipe again to write it anew"
        ) from error
    if not isinstance(data, dict):
        raise RunFolderError(f"{path}: damaged: it holds no mapping")
    return data


def _recipe(folder: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RunFolderError(f"{folder / 'recipe.yaml'}: cannot be read: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("stages"), dict):
        raise RunFolderError(f"{folder / 'recipe.yaml'}: damaged: it is not a recipe")
    return _in_full(data)


def _in_full(data: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe with today's defaults of options that came after its run was made.

    One that cannot be read today (a plugin is gone) is taken as it stands.
    """
    try:
        return to_plain(recipe_from_data(data))
    except S2vkitError:
        return data


def measuring_stage(folder: Path, recipe: Mapping[str, Any]) -> str:
    """Name the stage of a recipe that measures a split: the last that has metrics."""
    found = [
        name
        for name, stage in recipe["stages"].items()
        if isinstance(stage, dict) and stage.get("metrics") and "split" in stage
    ]
    if not found:
        raise RunFolderError(f"{folder}: its recipe measures nothing", hint="give it a stage `use: evaluate`")
    return str(found[-1])


def check_finished(folder: Path, stage: str = "") -> None:
    """Raise RunFolderError if a stage was begun and not finished, or `stage` never was."""
    begun = sorted(path.name for path in folder.glob("stages/*") if path.is_dir())
    open_ones = [name for name in begun if not (folder / "stages" / name / "done.json").is_file()]
    if stage and stage not in begun:
        open_ones.append(stage)
    if open_ones:
        raise RunFolderError(
            f"{folder}: this run is not finished: {', '.join(open_ones)}",
            hint="run its recipe again; it goes on from its last checkpoint",
        )


def results_of(folder: Path) -> dict[str, str]:
    """Identify the model of a run by the identities of its finished stages."""
    found = {}
    for path in sorted(folder.glob("stages/*/done.json")):
        done = read_json(path)
        if isinstance(done, dict) and done.get("result"):
            found[path.parent.name] = str(done["result"])
    return found


def read_figures(place: Path) -> dict[str, Figure]:
    """Read metrics.json and the clips.csv beside it; RunFolderError if they are damaged."""
    if not (place / "metrics.json").is_file():
        raise RunFolderError(f"{place}: has no metrics", hint="measure it: `s2vkit evaluate RUN --again`")
    scores = _json(place / "metrics.json")
    clips = _clips(place / "clips.csv")
    figures = {}
    for name, score in scores.items():
        if not isinstance(score, dict) or not {"value", "n", "definition"} <= set(score):
            raise RunFolderError(f"{place / 'metrics.json'}: damaged: '{name}' is not a figure")
        figures[name] = _figure(score, name, clips, place)
    return figures


def _figure(
    score: Mapping[str, Any], name: str, clips: dict[str, dict[str, float]] | None, place: Path
) -> Figure:
    over, value = str(score.get("over") or "mean"), score["value"]
    of_clips = (clips or {}).get(name, {})
    if of_clips and value is not None:
        found = (median if over == "median" else fmean)(of_clips.values())
        if not math.isclose(found, value, rel_tol=1e-5, abs_tol=1e-6):
            raise RunFolderError(
                f"{place / 'clips.csv'}: does not belong to metrics.json: the {over} of "
                f"'{name}' is {found:g} there and {value:g} here",
                hint="measure again: `s2vkit evaluate RUN --again`",
            )
    why = "" if of_clips else _NO_CLIPS if clips is None else "a figure of the whole set"
    return Figure(
        value,
        score.get("on_real"),
        score.get("chance"),
        int(score["n"]),
        str(score["definition"]),
        over,
        of_clips,
        why,
    )


def _clips(path: Path) -> dict[str, dict[str, float]] | None:
    """Read clips.csv: metric -> clip -> figure; None if there is no such file."""
    if not path.is_file():
        return None
    found: dict[str, dict[str, float]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, strict=True):
                clip = row.pop("clip")
                for name, cell in row.items():
                    if name != "split" and not name.startswith("label.") and cell:
                        found.setdefault(name, {})[clip] = float(cell)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise RunFolderError(
            f"{path}: damaged: {error}", hint="measure again: `s2vkit evaluate RUN --again`"
        ) from error
    return found
