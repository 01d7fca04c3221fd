"""Reading YAML into nodes: YAML 1.2 scalars, the place of every key, and no surprises.

PyYAML is used for its events alone. Tags, merge keys, repeated keys, keys that are not
text and aliases that explode are refused, each at its place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from s2vkit.files import expand_home
from s2vkit.recipe.nodes import Item, Map, Node, Path, Place, Scalar, Seq, Source
from s2vkit.recipe.report import Problems
from s2vkit.recipe.scalars import resolve
from s2vkit.registry import nearest

MAX_DEPTH = 40
MAX_NODES = 20_000  # after aliases are followed

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what PyYAML counts as the end of a line

# What the parser says, what we say, and what helps.
_PLAINER = (
    ("character '\\t'", "a tab is not allowed here", "use spaces"),
    ("expected the node content", "a value is missing, or a '[' or '{' is not closed", ""),
    (
        "mapping values are not allowed",
        "a second ':' in one line, or a wrong indentation",
        "put a text that holds ': ' in quotes, and check the indentation of the lines above",
    ),
    ("could not find expected ':'", "a key without ':'", "write `key: value`"),
    (
        "expected <block end>",
        "this line does not fit the lines above it",
        "check the indentation; a list item starts with '- '",
    ),
    ("expected ',' or '}'", "a '{' is not closed, or a ',' is missing", "close it with '}'"),
    ("expected ',' or ']'", "a '[' is not closed, or a ',' is missing", "close it with ']'"),
    ("that cannot start any token", "this character cannot start a text", "put the text in quotes"),
)


class _StopError(Exception):
    """The rest of a text is not worth reading; the problem is noted already."""


def split_lines(text: str) -> tuple[str, ...]:
    """Split a text where PyYAML sees its lines end."""
    return tuple(_BREAK.split(text))


def parse(text: str, source: Source, problems: Problems, within: Path = ()) -> Node | None:
    """Compose one YAML document that stands at the path `within`.

    None when it is empty, or when it cannot be read to its end; then a problem is noted.
    """
    return _Composer(text, source, problems).document(within)


def _events(text: str) -> Iterator[Event]:
    """Parse with libyaml where there is one, ten times as fast; PyYAML words errors better."""
    hostile = text.count("[") + text.count("{") > 1000  # libyaml's time grows with its square
    try:
        if not hostile:
            return iter(list(yaml.parse(text, Loader=yaml.CSafeLoader)))
    except (AttributeError, yaml.YAMLError):
        pass
    return iter(yaml.parse(text, Loader=yaml.SafeLoader))


class _Composer:
    def __init__(self, text: str, source: Source, problems: Problems) -> None:
        self.text = text
        self.source = source
        self.problems = problems
        self.events: Iterator[Event] = iter(())
        self.anchors: dict[str, tuple[Node, int]] = {}
        self.open: set[str] = set()
        self.count = 0

    def document(self, within: Path) -> Node | None:
        try:
            self.events = _events(self.text)
            next(self.events)
            if isinstance(next(self.events), StreamEndEvent):
                return None
            node = self.node(next(self.events), within, 0)
            next(self.events)
            extra = next(self.events)
            if isinstance(extra, DocumentStartEvent):
                self.stop(self.place(extra), (), "a second document: a recipe is one document")
            return node
        except yaml.MarkedYAMLError as error:
            self.note_syntax(error)
        except yaml.reader.ReaderError as error:
            before = split_lines(self.text[: error.position])
            place = self.at(len(before) - 1, len(before[-1]), 1)
            code = error.character if isinstance(error.character, int) else ord(error.character)
            self.problems.add(place, (), f"character U+{code:04X} is not allowed in YAML")
        except _StopError:
            pass
        return None

    def stop(self, place: Place, path: Path, message: str, hint: str = "") -> None:
        self.problems.add(place, path, message, hint)
        raise _StopError

    def place(self, event: Event) -> Place:
        start, end = _span(event)
        width = end.column - start.column if end.line == start.line else 1
        if end.line > start.line and isinstance(event, ScalarEvent):
            width = 10**6  # to the end of the line
        return self.at(start.line, start.column, width)

    def at(self, line: int, column: int, width: int) -> Place:
        if self.source.kind != "file":
            return Place(self.source)
        return Place(self.source, line + 1, column + 1, max(1, width))

    def node(self, event: Event, path: Path, depth: int) -> Node:
        if isinstance(event, AliasEvent):
            return self.alias(event, path)
        assert isinstance(event, NodeEvent)
        self.grow(1, event, path)
        tag = getattr(event, "tag", None)
        if tag is not None:
            hint = "a recipe is plain YAML; remove the tag, or quote the text"
            self.problems.add(self.place(event), path, f"tag '{tag}' is not allowed", hint)
        if depth > MAX_DEPTH:
            self.stop(self.place(event), (), f"nested deeper than {MAX_DEPTH} levels")
        before = self.count
        if event.anchor:
            self.open.add(event.anchor)
        node = self.value(event, path, depth)
        if event.anchor:
            self.open.discard(event.anchor)
            self.anchors[event.anchor] = (node, self.count - before + 1)
        return node

    def value(self, event: Event, path: Path, depth: int) -> Node:
        if isinstance(event, ScalarEvent):
            value = self.scalar(event, path)
            return Scalar(expand_home(value) if isinstance(value, str) else value, self.place(event))
        assert isinstance(event, CollectionStartEvent)
        if isinstance(event, MappingStartEvent):
            return self.mapping(event, path, depth)
        items: list[Node] = []
        while not isinstance(inner := next(self.events), SequenceEndEvent):
            items.append(self.node(inner, (*path, len(items)), depth + 1))
        return Seq(tuple(items), *self.extent(event, inner))

    def extent(self, start: CollectionStartEvent, end: Event) -> tuple[Place, bool]:
        first, last = _span(start)[0], _span(end)[1]
        one_line = first.line == last.line and start.flow_style
        width = last.column - first.column if one_line else 1
        return self.at(first.line, first.column, width), not start.flow_style

    def mapping(self, event: MappingStartEvent, path: Path, depth: int) -> Map:
        items: dict[str, Item] = {}
        while not isinstance(key := next(self.events), MappingEndEvent):
            name, place = self.key(key, path, depth), self.place(key)
            if name in items:
                first = items[name].key
                hint = f"first given at {self.source.name}:{first.line}:{first.column}"
                self.problems.add(place, (*path, name), f"key '{name}' is given twice", hint)
            value = self.node(next(self.events), path if name is None else (*path, name), depth + 1)
            if name is not None:
                items.setdefault(name, Item(place, value))
        return Map(items, *self.extent(event, key))

    def key(self, event: Event, path: Path, depth: int) -> str | None:
        if not isinstance(event, ScalarEvent):
            self.node(event, path, depth + 1)
            self.problems.add(self.place(event), path, "a key must be a text")
            return None
        if event.tag is not None or event.anchor:
            self.problems.add(self.place(event), path, "a key takes no tag and no anchor")
        value = resolve(event.value) if event.implicit[0] else event.value
        if not isinstance(value, str):
            hint = f"put it in quotes: '{event.value}'"
            message = f"a key must be a text, got {event.value or 'nothing'}"
            self.problems.add(self.place(event), path, message, hint)
            return None
        if value == "<<" and event.implicit[0]:
            message = "'<<' is not part of YAML 1.2"
            self.problems.add(self.place(event), path, message, "use `extends:` to share values")
            return None
        return value

    def scalar(self, event: ScalarEvent, path: Path) -> str | int | float | bool | None:
        if not event.implicit[0]:
            return str(event.value)
        try:
            value = resolve(event.value)
        except ValueError:
            value = math.inf
        if isinstance(value, float) and not math.isfinite(value):
            shown = event.value if len(event.value) < 20 else event.value[:20] + "..."
            message = f"'{shown}' is not a finite number"
            self.problems.add(self.place(event), path, message)
            return 0.0
        return value

    def alias(self, event: AliasEvent, path: Path) -> Node:
        place, name = self.place(event), str(event.anchor)
        if name in self.open:
            self.stop(place, path, f"alias '*{name}' stands inside what it names")
        if name not in self.anchors:
            near = nearest(name, self.anchors)
            hint = f"did you mean '*{near}'?" if near else f"define it first: '&{name}'"
            self.stop(place, path, f"alias '*{name}' names nothing", hint)
        node, size = self.anchors[name]
        self.grow(size, event, path)
        return node

    def grow(self, size: int, event: Event, path: Path) -> None:
        self.count += size
        if self.count > MAX_NODES:
            self.stop(self.place(event), path, f"more than {MAX_NODES} values: not a recipe")

    def note_syntax(self, error: yaml.MarkedYAMLError) -> None:
        problem = error.problem or "not valid YAML"
        mark = error.problem_mark or error.context_mark
        message, hint = f"not valid YAML: {problem}", error.context or ""
        for pattern, plainer, help_text in _PLAINER:
            if pattern in problem:
                message, hint = f"not valid YAML: {plainer}", help_text
                break
        if error.context_mark and mark and mark.index >= len(self.text.rstrip()):
            mark = error.context_mark  # where the thing began that the text's end cut short
        if "quoted scalar" in (error.context or "") and "end of stream" in problem:
            mark = error.context_mark or mark
            message, hint = "not valid YAML: this quote is never closed", "close it"
        line, column = (mark.line, mark.column) if mark else (0, 0)
        self.problems.add(self.at(line, column, 1), (), message, hint)


def _span(event: Event) -> tuple[Any, Any]:
    return event.start_mark, event.end_mark
