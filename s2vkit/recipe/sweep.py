"""Sweeps: one recipe at every combination of some values, each at several seeds. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from s2vkit.errors import RecipeError
from s2vkit.recipe.comparison import ComparedRun, ComparisonOptions, LoadedComparison
from s2vkit.recipe.load import Loaded, load_recipe
from s2vkit.registry import Registry

_OPENING, _CLOSING = "[{(", "])}"


def load_sweep(
    path: Path, axes: Sequence[str], sets: Sequence[str], output: str | None, registry: Registry
) -> LoadedComparison:
    """Load and check a recipe at the product of `axes`, each written KEY=VALUE,VALUE,...

    `sets` are laid over every one of them. Each run has a folder of its own in `output`; without one,
    in that of the recipe with `-sweep` after it. Raises RecipeError with all problems of one of them.
    """
    values = dict(_axis(text) for text in axes)
    base = load_recipe(path, sets, registry)
    folder = output or f"{base.recipe.output.rstrip('/')}-sweep"
    seeds = [_seed(text) for text in values.pop("seed", [str(base.recipe.seed)])]
    chosen = [tuple(zip(values, words, strict=True)) for words in product(*values.values())]
    titles = {choice: ", ".join(f"{key}={word}" for key, word in choice) or "as it is" for choice in chosen}
    runs = []
    for seed in seeds:
        for choice, title in titles.items():
            name = _name(title)
            loaded = _load(path, sets, choice, seed, f"{folder}/{name}-{seed}", registry)
            runs.append(ComparedRun(name, title, seed, loaded))
    systems = {_name(title): str(path) for title in titles.values()}
    title = f"Sweep of {base.recipe.name or path.stem}"
    options = ComparisonOptions(format=1, name=title, output=folder, seeds=seeds, systems=systems)
    return LoadedComparison(path, options, tuple(runs), {})


def _load(
    path: Path, sets: Sequence[str], choice: Sequence[tuple[str, str]], seed: int, folder: str, reg: Registry
) -> Loaded:
    own = [f"{key}={word}" for key, word in choice]
    return load_recipe(path, [*sets, *own, f"seed={seed}", f"output={folder!r}"], reg)


def _axis(text: str) -> tuple[str, list[str]]:
    key, sign, words = text.partition("=")
    values = _split(words)
    if not sign or not key.strip() or not all(values):
        raise RecipeError(
            f"'{text}' names no values to sweep over", hint="write KEY=VALUE,VALUE,... such as seed=1,2,3"
        )
    if len(set(values)) < len(values):
        raise RecipeError(f"'{text}' names a value twice", hint="name each once")
    return key.strip(), values


def _split(text: str) -> list[str]:
    """Split at commas that are in no bracket."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in _OPENING) - (letter in _CLOSING)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise RecipeError(f"seed={text} is not a seed", hint="write whole numbers, such as seed=1,2,3")
    return int(text)


def _name(title: str) -> str:
    """Make a folder's name of a title: the last part of each key, and its value."""
    short = re.sub(r"(?:[\w-]+\.)+(?=[\w-]+=)", "", title)
    return re.sub(r"[^\w.=-]+", "_", short).strip("_")
