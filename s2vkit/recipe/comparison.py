"""Recipes of comparisons: several systems, each a recipe, at several seeds. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.types import StringConstraints

from s2vkit.errors import RecipeError
from s2vkit.options import Options
from s2vkit.plugins import registry as installed
from s2vkit.recipe.check import Checker
from s2vkit.recipe.load import Loaded, check_nodes
from s2vkit.recipe.merge import SYSTEMS, lay_sets, merge, read_recipe
from s2vkit.recipe.nodes import Item, Map, Node, Scalar, Source, from_plain, plain, word_of
from s2vkit.recipe.report import Problems
from s2vkit.registry import Registry

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Text = Annotated[str, StringConstraints(min_length=1)]


class SystemOptions(Options):
    """One system of a comparison."""

    recipe: Text = Field(description="its recipe's file, relative to the comparison's")
    title: str | None = Field(default=None, description="what tables call it; its key if absent")
    set: dict[str, Any] = Field(default={}, description="values set in this recipe alone")


class ComparisonOptions(Options):
    """A whole comparison."""

    format: Literal[1] = Field(description="the version of the format: 1")
    name: Text | None = Field(default=None, description="the title of the table")
    output: Text = Field(description="the folder of tables and figures, and of every run")
    seeds: list[Seed] = Field(min_length=1, description="every system is run at each")
    systems: dict[str, Any] = Field(description="what is compared: name to recipe")
    set: dict[str, Any] = Field(default={}, description="values set in every recipe")
    unseen: dict[str, Any] = Field(
        default={}, description="values of `data` that add speakers unseen in training, for Figure 4"
    )


@dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison."""

    system: str
    title: str
    seed: int
    loaded: Loaded = field(repr=False)

    @property
    def folder(self) -> FilePath:
        """Return the run folder."""
        return FilePath(self.loaded.recipe.output)


@dataclass(frozen=True)
class LoadedComparison:
    """A comparison that can be run."""

    path: FilePath
    options: ComparisonOptions
    runs: tuple[ComparedRun, ...]  # seed by seed, the systems in their order
    data: dict[str, Any] = field(repr=False)  # as it was written, `extends` and `--set` merged
    laid: tuple[str, ...] = ()  # KEY=VALUE that is laid over every recipe

    def firsts(self) -> list[ComparedRun]:
        """Return the first run of every system."""
        return [run for run in self.runs if run.seed == self.options.seeds[0]]


def load_comparison(
    path: FilePath, sets: Sequence[str] = (), registry: Registry | None = None
) -> LoadedComparison:
    """Load and check a comparison, and every recipe it names at every seed.

    Of `KEY=VALUE` arguments, those whose key is the comparison's own change it; all others are
    laid over every recipe. Raises RecipeError, whose message is the report of all problems.
    """
    path, registry, problems = FilePath(path), registry or installed(), Problems()
    of_comparison = [text for text in sets if _key(text) in ComparisonOptions.model_fields]
    others = [text for text in sets if text not in of_comparison]
    root = read_recipe(path, problems)
    problems.raise_any(str(path))
    assert root is not None  # without a root, a problem was found
    root = lay_sets(root, of_comparison, problems)
    for text in (text for text in others if _key(text) == "seed"):
        problems.add(root.place, (), f"--set '{text}': a comparison has seeds", "--set seeds=[1]")
    options = Checker(registry, problems).model(ComparisonOptions, root.items, (), root.place)
    seeds = getattr(options, "seeds", [])  # there are none where they are wrong
    if len(set(seeds)) < len(seeds):
        problems.add(root.items["seeds"].place, ("seeds",), "a seed is given twice")
    systems = list(_systems(root, registry, problems))
    problems.raise_any(str(path))
    by_seed = _load_all(options, systems, root, others, registry)
    data = {name: _plain(item.value) for name, item in root.items.items()}
    return LoadedComparison(path, options, tuple(by_seed), data, tuple(others))


def _plain(node: Node) -> Any:
    """Turn a node into plain data, with the nulls that leave something out."""
    if isinstance(node, Map):
        return {name: _plain(item.value) for name, item in node.items.items()}
    return plain(node)


def _key(text: str) -> str:
    return text.partition("=")[0].strip().split(".")[0]


@dataclass(frozen=True)
class _System:
    name: str
    options: SystemOptions
    file: FilePath
    over: Map | None  # its own `set`


def _systems(root: Map, registry: Registry, problems: Problems) -> Iterator[_System]:
    item = root.items.get(SYSTEMS)
    if item is None or not isinstance(item.value, Map) or not item.value.items:
        if item is not None:
            problems.add(item.place, (SYSTEMS,), "expected a mapping of names to recipes")
        return
    for name, inner in item.value.items.items():
        path = (SYSTEMS, name)
        if isinstance(inner.value, Scalar) and inner.value.deletes:
            continue
        if not _NAME.fullmatch(name):
            hint = "use letters, digits and '_', and begin with a letter"
            problems.add(inner.key, path, f"'{name}' cannot be a system's name", hint)
            continue
        entries, word = inner.value, word_of(inner.value)
        if word is not None:
            entries = Map({"recipe": Item(inner.key, inner.value)}, inner.place)
        if not isinstance(entries, Map):
            problems.add(inner.place, path, "expected a recipe's file", f"{name}: sdfa.yaml")
            continue
        options = Checker(registry, problems).model(SystemOptions, entries.items, path, inner.key)
        named = entries.items.get("recipe")
        if named is not None and isinstance(getattr(options, "recipe", None), str):
            over = entries.items.get("set")
            yield _System(
                name,
                options,
                _file(named, options.recipe),
                over.value if over is not None and isinstance(over.value, Map) else None,
            )


def _file(named: Item, word: str) -> FilePath:
    """Find a recipe beside the file that names it; what --set names is as the user sees it."""
    source = named.value.place.source
    return FilePath(source.name).parent / word if source.kind == "file" else FilePath(word)


def _load_all(
    options: ComparisonOptions, systems: Sequence[_System], root: Map, sets: Sequence[str], registry: Registry
) -> Iterator[ComparedRun]:
    """Load every system's recipe at every seed; the problems of all are raised together."""
    wrong: dict[str, None] = {}
    loaded: dict[tuple[str, int], Loaded] = {}
    common = root.items.get("set")
    for system in systems:
        overs = [common.value if common is not None else None, system.over]
        for seed in options.seeds:
            fixed = {"seed": seed, "output": f"{options.output}/{system.name}-{seed}"}
            try:
                loaded[system.name, seed] = _load(system, overs, sets, fixed, registry)
            except RecipeError as error:
                wrong[error.message] = None
                break
    if wrong:
        raise RecipeError("\n".join(wrong))
    for seed in options.seeds:
        for system in systems:
            title = system.options.title or system.name
            yield ComparedRun(system.name, title, seed, loaded[system.name, seed])


def _load(
    system: _System, overs: Sequence[Any], sets: Sequence[str], fixed: dict[str, Any], registry: Registry
) -> Loaded:
    problems = Problems()
    root = read_recipe(system.file, problems)
    problems.raise_any(str(system.file))
    assert root is not None  # without a root, a problem was found
    for over in overs:
        root = merge(root, over) if isinstance(over, Map) else root
    root = lay_sets(root, sets, problems)
    last = from_plain(fixed, Source("the comparison", "data"))
    assert isinstance(last, Map)
    return check_nodes(system.file, merge(root, last), registry, problems)


def dump_unseen(options: ComparisonOptions) -> list[str]:
    """Return what `unseen` says as `--set` arguments of a recipe."""
    import json

    return [f"data.{key}={json.dumps(value)}" for key, value in options.unseen.items()]


__all__ = [
    "ComparedRun",
    "ComparisonOptions",
    "LoadedComparison",
    "SystemOptions",
    "dump_unseen",
    "load_comparison",
]
