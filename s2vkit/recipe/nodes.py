"""A recipe as a tree of values that know where they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, eq=False)
class Source:
    """A text that values were read from: a file, a `--set` argument, or stored data."""

    name: str
    kind: Literal["file", "set", "data"] = "file"
    lines: tuple[str, ...] = ()
    rank: int = 0  # the order of reports: the recipe itself, its parents, then --set


@dataclass(frozen=True)
class Place:
    """A stretch of one line; `line` and `column` count from 1, and line 0 means no line."""

    source: Source
    line: int = 0
    column: int = 0
    width: int = 1


@dataclass(frozen=True)
class Scalar:
    """A word, number, truth value or null."""

    value: str | int | float | bool | None
    place: Place
    deletes: bool = False  # a null that took away a value of the parent


@dataclass(frozen=True)
class Seq:
    """A list."""

    items: tuple[Node, ...]
    place: Place
    block: bool = False  # written over several lines: a report points at its key instead


@dataclass(frozen=True)
class Map:
    """A mapping, in the order it was written."""

    items: Mapping[str, Item]
    place: Place
    block: bool = False


@dataclass(frozen=True)
class Item:
    """One key of a mapping: the place of the key, and the value."""

    key: Place
    value: Node

    @property
    def place(self) -> Place:
        """Where a report about the value points."""
        if isinstance(self.value, Scalar) or not self.value.block:
            return self.value.place
        return self.key


Node: TypeAlias = Scalar | Seq | Map


def is_null(node: Node | None) -> bool:
    """Return whether a value is a null, which leaves out what it stands for."""
    return isinstance(node, Scalar) and node.value is None


def word_of(node: Node | None) -> str | None:
    """Return the text of a scalar that is text."""
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None


def use_of(node: Node | None) -> Scalar | None:
    """Find the scalar that names a slot's component, in full form or in short form."""
    if isinstance(node, Map) and "use" in node.items:
        node = node.items["use"].value
    return node if isinstance(node, Scalar) else None


def children(node: Node) -> Iterator[tuple[str | int, Item]]:
    """Walk over what a node holds, by key or by index."""
    if isinstance(node, Map):
        yield from node.items.items()
    elif isinstance(node, Seq):
        yield from ((i, Item(inner.place, inner)) for i, inner in enumerate(node.items))


def find(root: Map, path: Path) -> Item | None:
    """Find what is written at a path; a slot's short form answers to `use` as well."""
    item = Item(root.place, root)
    for step in path:
        below = dict(children(item.value)).get(step)
        if below is None and step == "use" and word_of(item.value) is not None:
            below = item
        if below is None:
            return None
        item = below
    return item


def place_of(root: Map, path: Path, *, key: bool = False) -> Place:
    """Return the place of a path's value or key, or of the key of what would hold it."""
    item = find(root, path)
    if item is not None:
        return item.key if key else item.place
    return place_of(root, path[:-1], key=True)


def plain(node: Node) -> Any:
    """Turn a node into plain data, without the keys that a null leaves out."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Seq):
        return [plain(inner) for inner in node.items]
    return {k: plain(i.value) for k, i in node.items.items() if not is_null(i.value)}


def from_plain(data: Any, source: Source) -> Node:
    """Turn plain data into nodes that have no line."""
    place = Place(source)
    if isinstance(data, Mapping):
        items = {str(k): Item(place, from_plain(v, source)) for k, v in data.items()}
        return Map(items, place, block=True)
    if isinstance(data, Sequence) and not isinstance(data, str):
        return Seq(tuple(from_plain(v, source) for v in data), place, block=True)
    return Scalar(data, place)


def dotted(path: Path) -> str:
    """Write a path as a recipe's author would say it: stages.compose.after[0]."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
