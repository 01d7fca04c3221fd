"""Which files of published weights a run uses, and under which licence."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from s2vkit.build import part_slots
from s2vkit.checkpoints import INSTALLED, Carrier, Checkpoint, carried
from s2vkit.installed import is_carried
from s2vkit.options import Options, Slot, value_of
from s2vkit.recipe.schema import Recipe
from s2vkit.recipe.wiring import slots_in
from s2vkit.registry import Registry


def published_weights(recipe: Recipe, registry: Registry) -> list[dict[str, str]]:
    """List every file of weights that a recipe takes: part, component, file, package, licence, source.

    What is not known of a file is empty.
    """
    rows = []
    stages = {f"stage.{name}": slot for name, slot in recipe.stages.items()}
    for name, top in {**part_slots(recipe), **stages}.items():
        for part, slot in _within(name, top):
            entry, given = registry.get(slot.kind, slot.use), value_of(slot.options, "checkpoint")
            if given:
                facts = _facts(str(given), slot.options, entry.checkpoints)
                rows.append({"part": part, "component": slot.use, **facts})
            elif carriers := entry.carriers_for(slot.options):
                rows.append({"part": part, "component": slot.use, **_carried_by(carriers)})
    return rows


def _within(name: str, slot: Slot) -> Iterator[tuple[str, Slot]]:
    """Walk over a slot and all slots in it, under dotted names."""
    yield name, slot
    for path, inner in slots_in(slot.options, ()):
        yield from _within(".".join((name, *map(str, path))), inner)


def _facts(given: str, options: Options, offered: tuple[Checkpoint, ...]) -> dict[str, str]:
    known = carried(options, offered) if given == INSTALLED else (one for one in offered if _is(given, one))
    found = next(iter(known), None)
    carrier = found.carrier if found and given == INSTALLED else None
    return {
        "file": carrier.path if carrier else Path(given).name,
        "package": _with_version(carrier.distribution) if carrier else "",
        "licence": found.licence if found else "",
        "source": found.source if found else "",
    }


def _carried_by(carriers: tuple[Carrier, ...]) -> dict[str, str]:
    """Return the facts of a file that one of these packages has: the first that is installed."""
    one = next((carrier for carrier in carriers if is_carried([carrier])), carriers[0])
    package = _with_version(one.distribution)
    return {"file": one.path, "package": package, "licence": one.licence, "source": ""}


def _is(given: str, offered: Checkpoint) -> bool:
    """Whether an option names a published file: by its name, or converted."""
    return Path(given).name == offered.file or Path(given).stem == Path(offered.file).stem


def _with_version(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:  # its folder is there without what pip writes beside it
        return distribution
