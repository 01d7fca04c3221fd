"""`extends:` and `--set`: merging one recipe over another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath

from s2vkit.recipe.files import read_text
from s2vkit.recipe.nodes import Item, Map, Node, Place, Scalar, Source, is_null, use_of, word_of
from s2vkit.recipe.report import Problems
from s2vkit.recipe.source import parse, split_lines

Chain = tuple[FilePath, ...]

SYSTEMS = "systems"
"""The key that tells a comparison from a recipe."""


def read_recipe(path: FilePath, problems: Problems) -> Map | None:
    """Read a recipe with all its parents merged in; None when a file cannot be read."""
    return _read(path, Place(Source(str(path))), (), problems)


def is_comparison(path: FilePath) -> bool:
    """Return whether a file is a comparison and not a recipe, without reporting its problems."""
    root = read_recipe(FilePath(path), Problems())
    return root is not None and SYSTEMS in root.items


def outputs_of(path: FilePath) -> list[FilePath]:
    """Name the run folders of a recipe and of those that it extends, without reporting their problems."""
    found: list[FilePath] = []
    read: set[FilePath] = set()
    while path.resolve() not in read:
        read.add(path.resolve())
        own = _alone(path)
        output, parent = (
            word_of(own.items[name].value) if own and name in own.items else None
            for name in ("output", "extends")
        )
        found += [FilePath(output)] if output else []
        path = path.parent / parent if parent else path
    return found


def _alone(path: FilePath) -> Map | None:
    """Read a recipe without its parents; None when it cannot be read."""
    text = read_text(path, Place(Source(str(path))), Problems())
    node = None if text is None else parse(text, Source(str(path), lines=split_lines(text)), Problems())
    return node if isinstance(node, Map) else None


def _read(path: FilePath, asked: Place, chain: Chain, problems: Problems) -> Map | None:
    text = read_text(path, asked, problems)
    if text is None:
        return None
    source = Source(str(path), lines=split_lines(text), rank=len(chain))
    before = len(problems.found)
    node = parse(text, source, problems)
    problems.close_reading()
    if node is None or is_null(node):
        if len(problems.found) == before:
            problems.add(Place(Source(str(path))), (), "the file is empty", "begin with format: 1")
        return None
    if not isinstance(node, Map):
        problems.add(node.place, (), "a recipe is a mapping (key: value)", "begin with format: 1")
        return None
    return _extend(node, path, (*chain, path), problems)


def _extend(child: Map, path: FilePath, chain: Chain, problems: Problems) -> Map | None:
    item = child.items.get("extends")
    child = replace(child, items={k: v for k, v in child.items.items() if k != "extends"})
    if item is None or is_null(item.value):
        return child
    name = word_of(item.value)
    if not name:
        hint = "extends: other.yaml, relative to this file"
        problems.add(item.place, ("extends",), "expected the name of one recipe", hint)
        return None
    parent = path.parent / name
    real = [p.resolve() for p in chain]
    if parent.resolve() in real:
        circle = " -> ".join(map(str, [*chain[real.index(parent.resolve()) :], parent]))
        problems.add(item.place, ("extends",), f"recipes extend each other in a circle: {circle}")
        return None
    below = _read(parent, item.place, chain, problems)
    return merge(below, child) if below else None


def merge(parent: Map, child: Map) -> Map:
    """Merge a mapping into another: deeply, except that a slot that sets `use` replaces the parent's."""
    items = dict(parent.items)
    for name, item in child.items.items():
        items[name] = _lay(items[name], item) if name in items else item
    return Map(items, child.place if child.place.source.kind == "file" else parent.place, True)


def _lay(under: Item, over: Item) -> Item:
    old, new = under.value, over.value
    if isinstance(new, Scalar) and is_null(new):
        return Item(over.key, replace(new, deletes=True))
    if not isinstance(new, Map) or _names_a_component(new):
        return over
    if word_of(old) is not None:  # the short form, opened up
        old = Map({"use": Item(under.key, old)}, old.place)
    if not isinstance(old, Map):
        return over
    merged = merge(old, new)
    block = old.block or new.block
    # `--set` changes one value; what holds that value stands where it stood
    key = under.key if over.key.source.kind == "set" else over.key
    return Item(key, replace(merged, block=block))


def _names_a_component(new: Map) -> bool:
    """Return whether a slot says `use`: then it starts afresh, even where the word is the parent's."""
    named = use_of(new)
    return named is not None and not is_null(named)


def lay_sets(root: Map, sets: Sequence[str], problems: Problems) -> Map:
    """Apply `--set KEY=VALUE` arguments to a recipe, in order."""
    for index, text in enumerate(sets):
        source = Source(f"--set '{text}'", "set", rank=1000 + index)
        node = _set_node(text, Place(source), problems)
        root = merge(root, node) if node else root
    return root


def _set_node(text: str, place: Place, problems: Problems) -> Map | None:
    left, equals, right = text.partition("=")
    keys = left.strip().split(".")
    if not equals or not all(keys):
        hint = "--set stages.compose.steps=100"
        problems.add(place, (), "expected KEY=VALUE with a dotted key", hint)
        return None
    if keys[0] == "extends":
        problems.add(place, ("extends",), "the parent is named in the file, not by --set")
        return None
    before = len(problems.found)
    inner = Source(place.source.name, "set", rank=place.source.rank)
    value = parse(right, inner, problems, within=tuple(keys))
    if len(problems.found) > before:
        return None
    node: Node = value or Scalar(None, place)
    for key in reversed(keys):
        node = Map({key: Item(place, node)}, place)
    assert isinstance(node, Map)
    return node
