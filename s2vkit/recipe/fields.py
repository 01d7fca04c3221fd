"""Questions to an option model's fields, and to the nodes that fill them."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from s2vkit.options import Options, Slot, SlotField, SlotOf
from s2vkit.recipe.nodes import Item, Map, Node, Path, Seq, children


def takes_none(field: FieldInfo) -> bool:
    """Return whether a field may be None, so that null is a value of its own there."""
    return NoneType in _members(field.annotation)


def takes_list(field: FieldInfo) -> bool:
    """Return whether a field may be a list, so that one word may stand for a list of one."""
    return any((get_origin(m) or m) in (list, tuple) for m in _members(field.annotation))


def option_model(field: FieldInfo) -> type[Options] | None:
    """Find the option model that a field nests."""
    for member in _members(field.annotation):
        if isinstance(member, type) and not get_origin(member) and issubclass(member, Options):
            return member
    return None


def _members(annotation: Any) -> tuple[Any, ...]:
    union = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if union else (annotation,)


def known_keys(model: type[Options], of: str) -> str:
    """List the keys that a model knows; `of` names the component."""
    keys = ", ".join(model.model_fields)
    if not keys:
        return f"{of or 'it'} takes no keys"
    return f"keys of {of}: {keys}" if of else f"known keys: {keys}"


def meaning(name: str, field: FieldInfo) -> str:
    """Return what a field is for: its description."""
    return f"{name}: {field.description}" if field.description else f"add `{name}:`"


def stand_in(of: SlotOf) -> Slot:
    """Make what takes the place of a slot that could not be resolved."""
    return Slot(of.kind, "", Options())


def broken(slot: Slot) -> bool:
    """Return whether a slot is a stand-in for one that could not be resolved."""
    return slot.use == ""


def stand_ins(name: str, slots: SlotField | None) -> dict[str, Any]:
    """Make what takes the place of a missing field, if it holds slots."""
    if slots is None:
        return {}
    return {name: {} if slots.many else stand_in(slots.of)}


def walk(entries: Mapping[str, Item], loc: tuple[str | int, ...]) -> Item | None:
    """Follow a path below a mapping."""
    item = entries.get(str(loc[0])) if loc else None
    for step in loc[1:]:
        item = dict(children(item.value)).get(step) if item else None
    return item


def written(entries: Mapping[str, Item], loc: tuple[str | int, ...]) -> Path:
    """Keep of pydantic's location what stands in the recipe; it also names union members."""
    item = entries.get(str(loc[0])) if loc else None
    if item is None:
        return ()
    path: list[str | int] = [loc[0]]
    node: Node = item.value
    for step in loc[1:]:
        below = dict(children(node)).get(step) if isinstance(node, Map | Seq) else None
        if below is None:
            continue
        path.append(step)
        node = below.value
    return tuple(path)
