"""What a run folder holds, read for its page: every file is optional, and may be damaged."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from s2vkit.errors import RunFolderError
from s2vkit.files import read_json, read_lines
from s2vkit.report.markup import Raw, number, text


@dataclass(frozen=True)
class StageFacts:
    """One stage of a run, as far as it came."""

    name: str
    folder: Path
    done: dict[str, Any]  # of done.json; empty: not finished

    @property
    def seconds(self) -> float | None:
        """Return how long it took."""
        return number(self.done.get("seconds"))

    @property
    def log(self) -> Path:
        """Return where its figures are."""
        return self.folder / "log.jsonl"


def open_run(folder: Path, home: Path, label: str = "") -> RunFacts:
    """Read a run folder for a page that lies in `home`; RunFolderError if it is none."""
    if not folder.is_dir():
        raise RunFolderError(
            f"{folder}: no such run folder", hint="`s2vkit run RECIPE` makes one, by `output:`"
        )
    if not any((folder / name).exists() for name in ("run.json", "recipe.yaml", "stages")):
        raise RunFolderError(
            f"{folder}: not a run folder: it has no run.json, recipe.yaml or stages/",
            hint="give the folder that the recipe names by `output:`",
        )
    return RunFacts(folder.resolve(), home.resolve(), label)


@dataclass(frozen=True)
class RunFacts:
    """A run folder, read when asked; `home` is where the page lies that links to its files."""

    folder: Path
    home: Path
    label: str = ""
    damaged: list[str] = field(default_factory=list)  # files that are there but cannot be read

    def link(self, path: Path, words: str = "") -> Raw:
        """Link to a file of the run by a path relative to the page, if the file is there."""
        name = words or path.relative_to(self.folder).as_posix()
        if not path.exists():
            return Raw(text(name))
        return Raw(f'<a href="{self.address(path)}">{text(name)}</a>')

    def address(self, path: Path) -> str:
        """Return a file's address relative to the page."""
        return quote(Path(os.path.relpath(path, self.home)).as_posix())

    @cached_property
    def about(self) -> dict[str, Any]:
        """Return run.json."""
        return self._json("run.json")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Return metrics.json."""
        return self._json("metrics.json")

    @cached_property
    def graph(self) -> dict[str, Any]:
        """Return graph.json, which older runs lack."""
        return self._json("graph.json")

    @cached_property
    def clip_facts(self) -> dict[str, Any]:
        """Return what is known of the clips that were rendered."""
        return self._json("videos/clips.json")

    @cached_property
    def warnings(self) -> list[dict[str, Any]]:
        """Return the warnings of the run, in order."""
        return read_lines(self.folder / "warnings.jsonl")

    @cached_property
    def recipe_text(self) -> str:
        """Return the resolved recipe as it is written."""
        path = self.folder / "recipe.yaml"
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Return the resolved recipe as data."""
        try:
            data = yaml.safe_load(self.recipe_text)
        except yaml.YAMLError:
            self.damaged.append("recipe.yaml")
            return {}
        return data if isinstance(data, dict) else {}

    @cached_property
    def stages(self) -> list[StageFacts]:
        """Return the stages that were begun, in the order of the run."""
        begun = {path.name: path for path in sorted(self.folder.glob("stages/*")) if path.is_dir()}
        order = [name for name in self.planned if name in begun]
        names = [*order, *(name for name in begun if name not in order)]
        return [StageFacts(n, begun[n], self._json(f"stages/{n}/done.json")) for n in names]

    @cached_property
    def plan(self) -> dict[str, dict[str, Any]]:
        """Return what graph.json says of each stage, in the order of the run."""
        rows = self.graph.get("stages")
        known = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return {str(row.get("name")): row for row in known}

    @cached_property
    def planned(self) -> list[str]:
        """Name the stages in their order, as far as graph or recipe tell."""
        stages = self.recipe.get("stages")
        return list(self.plan) or [str(n) for n in (stages if isinstance(stages, dict) else {})]

    @cached_property
    def clips(self) -> list[dict[str, str]]:
        """Return the figures of single clips (clips.csv), a row a clip."""
        path = self.folder / "clips.csv"
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = list(csv.DictReader(file))
        return [{str(k): str(v or "") for k, v in row.items() if k is not None} for row in rows]

    @cached_property
    def videos(self) -> list[Path]:
        """Return the clips that were rendered."""
        return sorted(self.folder.glob("videos/*.mp4"))

    @property
    def name(self) -> str:
        """Return what the recipe calls itself, or the folder's name."""
        named = self.recipe.get("name")
        return str(named) if named else self.folder.name

    @property
    def version(self) -> str | None:
        """Return the version of s2vkit that made the run."""
        versions = self.about.get("versions")
        return str(versions.get("s2vkit")) if isinstance(versions, dict) else None

    @property
    def commands(self) -> list[str]:
        """Return the commands that made the run."""
        known = self.about.get("commands")
        rows = known if isinstance(known, list) else []
        return [str(row["command"]) for row in rows if isinstance(row, dict) and "command" in row]

    @property
    def evaluated(self) -> tuple[str, str]:
        """Name the stage that measures and the split it measures on, as far as known."""
        stages = self.recipe.get("stages")
        for name, stage in (stages if isinstance(stages, dict) else {}).items():
            if isinstance(stage, Mapping) and "metrics" in stage:
                return str(name), str(stage.get("split") or "")
        return "", ""

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        data = read_json(path)
        if not isinstance(data, dict):
            if path.exists() and name not in self.damaged:
                self.damaged.append(name)
            return {}
        return data
