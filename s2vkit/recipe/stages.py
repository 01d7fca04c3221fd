"""The order of stages: each after those it names, ties as the file has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from s2vkit.errors import RecipeError
from s2vkit.options import Slot, value_of
from s2vkit.recipe.nodes import Map, Path, find, is_null, place_of
from s2vkit.recipe.old_words import new_name
from s2vkit.recipe.report import Problems
from s2vkit.recipe.schema import Recipe
from s2vkit.registry import nearest


def ordered_stages(recipe: Recipe) -> list[str]:
    """List the stages in the order they run: by `after`, ties in the file's order."""
    order, _ = _sort(recipe.stages)
    return order


def after(stage: Slot) -> list[str]:
    """Name the stages that must be finished before this one."""
    return list(value_of(stage.options, "after") or [])


def check_order(recipe: Recipe, root: Map, problems: Problems) -> None:
    """Check that every `after` names a stage, and that no stage waits for itself."""
    names = list(recipe.stages)
    for name, stage in recipe.stages.items():
        for index, other in enumerate(after(stage)):
            path: Path = ("stages", name, "after")
            place = place_of(root, (*path, index) if find(root, (*path, index)) else path)
            if other == name:
                problems.add(place, path, f"stage '{name}' cannot come after itself")
            elif other not in recipe.stages:
                message, hint = f"there is no stage '{other}'", _hint(other, names, root)
                problems.add(place, path, message, hint)
    _, left = _sort(recipe.stages)
    if left:
        circle = _circle(recipe.stages, left)
        path = ("stages", circle[0], "after")
        message = f"stages wait for each other: {' -> '.join(circle)}"
        problems.add(place_of(root, path), path, message, "take one `after` away")


def _hint(other: str, names: list[str], root: Map) -> str:
    new = new_name(other, "stages")
    if new in names:
        return f"it is now called '{new}'"
    written = find(root, ("stages", other))
    if written is not None and is_null(written.value):
        return f"'{other}' is left out by null; set `after` anew"
    near = nearest(other, names)
    return (f"did you mean '{near}'? " if near else "") + f"stages: {', '.join(names)}"


def _sort(stages: dict[str, Slot]) -> tuple[list[str], list[str]]:
    """Return the order, and the stages that stand in a circle or after one."""
    order: list[str] = []
    left = list(stages)
    while left:
        ready = (n for n in left if not _waits(n, after(stages[n]), left))
        chosen = next(ready, None)
        if chosen is None:
            break
        order.append(chosen)
        left.remove(chosen)
    return order, left


def _waits(name: str, others: list[str], left: list[str]) -> bool:
    return any(other in left and other != name for other in others)


def _circle(stages: dict[str, Slot], left: list[str]) -> list[str]:
    walked = [left[0]]
    while True:
        name = walked[-1]
        step = next(o for o in after(stages[name]) if o in left and o != name)
        if step in walked:
            return [*walked[walked.index(step) :], step]
        walked.append(step)


def check_names(stages: Iterable[str], known: Mapping[str, Slot]) -> None:
    """Raise RecipeError if a stage is asked for that the recipe does not have."""
    for name in stages:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean '{near}'? " if near else ""
            raise RecipeError(f"unknown stage '{name}'", hint=f"{hint}stages: {', '.join(known)}")
