"""Starting from what another run or bundle has trained, and people that it did not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from s2vkit.build import Builder
from s2vkit.errors import RecipeError
from s2vkit.files import atomic_folder, read_json, recover_folder, write_json
from s2vkit.inference.bundle import find_bundle
from s2vkit.inference.config import read_config
from s2vkit.interfaces.graph import Graph
from s2vkit.runs.digest import digest_of_module
from s2vkit.runs.folder import check_run, is_run
from s2vkit.runs.new_classes import ClassRows
from s2vkit.settings import StartFrom
from s2vkit.tensors import fit, read_tensors, under, write_tensors

FOLDER = "start"  # of a run: a copy of what it started from
_WEIGHTS, _ABOUT = "weights.safetensors", "start.json"
Labels = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Start:
    """The weights that a run starts from: PART/KEY, and the labels that they were trained with."""

    source: Path
    tensors: Mapping[str, Tensor]
    labels: Labels


@dataclass(frozen=True)
class Started:
    """The parts of a graph that have started weights, each with the hash of them."""

    parts: dict[str, str]
    anew: tuple[str, ...]  # parts that the source does not have
    added: dict[str, list[str]]  # label -> classes that the source did not know


def open_start(options: StartFrom, run: Path, *, finished: bool = False) -> Start:
    """Read what a run starts from; once it has finished or the source is gone, from its own copy.

    Raises RunFolderError if neither is there, or one is damaged.
    """
    source, kept = Path(options.run).expanduser(), run / FOLDER
    if (finished or not source.exists()) and recover_folder(kept):
        about = read_json(kept / _ABOUT) or {}
        labels = {name: tuple(classes) for name, classes in about.get("labels", {}).items()}
        return Start(source, read_tensors(kept / _WEIGHTS), labels)
    bundle = find_bundle(source)
    labels = read_config(read_json(bundle / "config.json"), str(bundle)).data.labels
    tensors = read_tensors(bundle / "model.safetensors")
    return Start(source, tensors | (trained_weights(source) if is_run(source) else {}), dict(labels))


def trained_weights(run: Path) -> dict[str, Tensor]:
    """Read what a run started from and its stages have trained, PART/KEY: the last weights of each part."""
    check_run(run)
    found = read_tensors(run / FOLDER / _WEIGHTS) if (run / FOLDER).is_dir() else {}
    for stage in (read_json(run / "graph.json") or {}).get("stages", []):
        folder = run / "stages" / str(stage["name"])
        if (folder / "done.json").is_file() and (folder / _WEIGHTS).is_file():
            found |= read_tensors(folder / _WEIGHTS)
    return found


def start(graph: Graph, found: Start, options: StartFrom, builder: Builder) -> Started:
    """Load the weights into the parts of a graph. Raises RecipeError if a part does not fit."""
    modules = graph.modules()
    chosen = [name for name in modules if _is_chosen(name, options.parts)]
    _check_parts(options, list(modules))
    rows = ClassRows(graph, found.labels, builder)
    parts, anew = {}, []
    for name in chosen:
        tensors, module = under(found.tensors, f"{name}/"), modules[name]
        if not tensors:
            anew += [name] if any(True for _ in module.parameters()) else []
            continue
        _check_fit(name, rows.expected(name), tensors, found.source)
        fit(module, rows.placed(name, tensors), found.source, name)
        parts[name] = digest_of_module(module)
    return Started(parts, tuple(anew), rows.added)


def _is_chosen(name: str, parts: list[str] | None) -> bool:
    return parts is None or name in parts or name.partition(".")[0] in parts


def _check_parts(options: StartFrom, known: list[str]) -> None:
    for part in options.parts or []:
        if not any(_is_chosen(name, [part]) for name in known):
            raise RecipeError(
                f"start_from.parts: '{part}' is not a part of this recipe", hint=f"parts: {', '.join(known)}"
            )


def _check_fit(
    name: str, expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: Path
) -> None:
    """Raise RecipeError unless a part of this recipe is built as that of the source is."""
    wrong = sorted(expected.keys() ^ tensors.keys())
    wrong += [key for key, value in expected.items() if key in tensors and value.shape != tensors[key].shape]
    if wrong:
        raise RecipeError(
            f"start_from: {name} is built otherwise than in {source} (its {wrong[0]} differs)",
            hint="give it the component and options that it has there, or name in start_from.parts those "
            "that are to start from it",
        )


def keep_start(run: Path, found: Start, started: Started) -> None:
    """Keep a copy of what a run starts from in its folder: it then needs the source no more."""
    kept = run / FOLDER
    about = {"source": str(found.source), "labels": found.labels, "parts": started.parts}
    known = read_json(kept / _ABOUT) or {}
    if known.get("parts") == started.parts:
        return
    names = tuple(f"{name}/" for name in started.parts)
    tensors = {key: value for key, value in found.tensors.items() if key.startswith(names)}
    with atomic_folder(kept) as part:
        write_tensors(tensors, part / _WEIGHTS)
        write_json(part / _ABOUT, about)


def describe_start(found: Start, started: Started) -> list[str]:
    """Say what a run starts from, and what is new."""
    lines = [f"{', '.join(started.parts) or 'no part'}: weights from {found.source}"]
    lines += [f"{name}: not in {found.source}, starts from random weights" for name in started.anew]
    lines += [f"new {label}: {', '.join(classes)}" for label, classes in started.added.items() if classes]
    return lines
