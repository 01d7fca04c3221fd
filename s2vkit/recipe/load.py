"""Loading a recipe: read, merge, check, wire; all problems in one report. And writing it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from s2vkit.options import Options, Slot, SlotOf
from s2vkit.plugins import registry as installed
from s2vkit.recipe.check import Checker
from s2vkit.recipe.convert import to_plain
from s2vkit.recipe.merge import lay_sets, read_recipe
from s2vkit.recipe.nodes import Map, Path, Source, dotted, find, from_plain
from s2vkit.recipe.report import Problems
from s2vkit.recipe.scalars import FLOAT, INT
from s2vkit.recipe.schema import Recipe
from s2vkit.recipe.stages import ordered_stages
from s2vkit.recipe.wiring import wire
from s2vkit.registry import Registry

__all__ = ["Loaded", "Origin", "Recipe", "dump_recipe", "load_recipe", "ordered_stages", "recipe_from_data"]


@dataclass(frozen=True)
class Origin:
    """Where a value came from: a file's line and column, a `--set`, or a default."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


DEFAULT = Origin("default")


@dataclass(frozen=True)
class Loaded:
    """A recipe that can be run, and where all of it came from."""

    path: FilePath
    recipe: Recipe
    data: dict[str, Any] = field(repr=False)  # the whole recipe, defaults too, as plain data
    origins: dict[str, Origin] = field(repr=False)  # "stages.compose.steps" -> where
    dropped: list[str]  # what was left out, and why


def load_recipe(
    path: str | os.PathLike[str], sets: Sequence[str] = (), registry: Registry | None = None
) -> Loaded:
    """Load and check a recipe with its parents, and `--set KEY=VALUE` arguments laid over it.

    Without a registry, the installed plugins' is taken. Raises RecipeError, whose message
    is the report of all problems.
    """
    file = FilePath(path)
    problems = Problems()
    root = read_recipe(file, problems)
    if root is None:
        lay_sets(_mapping({}, str(file)), sets, problems)
        problems.raise_any(str(file))
    assert root is not None  # without a root, a problem was found
    root = lay_sets(root, sets, problems)
    return check_nodes(file, root, registry or installed(), problems)


def recipe_from_data(data: Mapping[str, Any], registry: Registry | None = None) -> Recipe:
    """Build a recipe again from `Loaded.data`, as a run folder keeps it; raises RecipeError."""
    name = "the stored recipe"
    return check_nodes(FilePath(name), _mapping(data, name), registry or installed(), Problems()).recipe


def load_slot(kind: str, use: str, sets: Sequence[str], registry: Registry) -> Slot:
    """Check a component and options given as `KEY=VALUE`; raises RecipeError with all problems."""
    name, problems = "the command line", Problems()
    root = lay_sets(_mapping({"it": {"use": use}}, name), [f"it.{s}" for s in sets], problems)
    slot = Checker(registry, problems).slot(SlotOf(kind), root.items["it"], ())
    problems.raise_any(name)
    return slot


def _mapping(data: Mapping[str, Any], name: str) -> Map:
    root = from_plain(data, Source(name, "data"))
    assert isinstance(root, Map)
    return root


def check_nodes(file: FilePath, root: Map, registry: Registry, problems: Problems) -> Loaded:
    """Check a recipe that was read and merged; raises RecipeError with all problems."""
    if "systems" in root.items:
        place, hint = root.items["systems"].key, "`s2vkit run` runs a comparison as a whole"
        problems.add(place, ("systems",), "this is a comparison of recipes, not a recipe", hint)
        problems.raise_any(str(file))
    checked = Checker(registry, problems).model(Recipe, root.items, (), root.place)
    wired = wire(checked, root, registry, problems)
    problems.raise_any(str(file))
    data = to_plain(wired.recipe)
    origins = {dotted(path): _origin(root, path) for path in _paths(data, ())}
    return Loaded(file, wired.recipe, data, origins, wired.dropped)


def _paths(data: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for name, value in data.items():
        yield (*path, name)
        if isinstance(value, Mapping):
            yield from _paths(value, (*path, name))


def _origin(root: Map, path: Path) -> Origin:
    item = find(root, path)
    if item is None:
        return DEFAULT
    place = item.place
    if place.source.kind == "set":
        return Origin("--set")
    return Origin(place.source.name, place.line, place.column)


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1 or YAML 1.2 would not read as the text it is."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values in full."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if set(text) & set("\r\x85\u2028\u2029") else None  # else read back as "\n"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
for _tag, _pattern in (("int", INT), ("float", FLOAT)):
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _whole, list("-+.0123456789"))


def dump_recipe(recipe: Loaded | Recipe | Options) -> str:
    """Write a recipe as YAML, in full, so that loading it gives the same recipe."""
    return dump_data(recipe.data if isinstance(recipe, Loaded) else to_plain(recipe))


def dump_data(data: Mapping[str, Any]) -> str:
    """Write plain data as a recipe's YAML."""
    text = yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return str(text)
