"""Checking nodes against option models, slot by slot; every problem is noted, none raised.

The result of a recipe with problems is filled with stand-ins, so that the rules across
slots can still be checked and all problems be shown together. `broken` detects them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from s2vkit.options import Options, Slot, SlotField, SlotOf, slot_fields
from s2vkit.recipe.convert import converted
from s2vkit.recipe.fields import (
    known_keys,
    meaning,
    option_model,
    stand_in,
    stand_ins,
    takes_list,
    takes_none,
    walk,
    written,
)
from s2vkit.recipe.messages import describe, explain
from s2vkit.recipe.nodes import Item, Map, Path, Place, Scalar, is_null, plain, use_of, word_of
from s2vkit.recipe.old_words import OLD_COMPONENTS, new_key, new_name, old_keys_of, renamed
from s2vkit.recipe.report import Problems
from s2vkit.registry import Registry, nearest, plural

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

Model = TypeVar("Model", bound=Options)


@dataclass(frozen=True)
class Checker:
    """Turns nodes into checked options, noting what is wrong in `problems`."""

    registry: Registry
    problems: Problems

    def model(
        self, model: type[Model], entries: Mapping[str, Item], path: Path, at: Place, of: str = ""
    ) -> Model:
        """Check a mapping's keys by an option model; `of` names the component they belong to."""
        self._unknown(model, entries, path, of)
        values = self._values(model, entries, path, at)
        bad: set[str] = set()
        try:
            model_options = model.model_validate(values)
            bad = self._converted(model_options, values, entries, path)
        except ValidationError as error:
            bad = self._invalid(error, entries, path, at)
        except Exception as error:  # a plugin's validator is foreign code
            problem = f"{type(error).__name__}: {error}"
            self.problems.add(at, path, f"these options cannot be checked: {problem}")
            bad = set(values)
        else:
            if not bad:
                return model_options
        try:
            return model.model_construct(**{k: v for k, v in values.items() if k not in bad})
        except Exception:  # foreign code again, and its problem is noted
            return cast(Model, Options())

    def slot(self, of: SlotOf, item: Item, path: Path, implied: str = "", near: str | None = None) -> Slot:
        """Resolve one slot: find its component, then check the keys by that one's model.

        `implied` names the component if the slot does not; `near` is a slot beside it with a
        similar name, which may have been meant.
        """
        node = item.value
        named = use_of(node)
        if not isinstance(node, Map) and word_of(node) is None:
            hint = f"write a {of.kind}'s name, or a mapping with `use: NAME`"
            self.problems.add(item.place, path, f"expected a {of.kind}, got {describe(node)}", hint)
            return stand_in(of)
        if (named is None or is_null(named)) and implied:
            named = Scalar(implied, item.key)
        use = word_of(named)
        if use is None and self._old_name(item, path):
            return stand_in(of)
        if named is None or use is None:
            self._unnamed(of, named, item, path, near)
            return stand_in(of)
        entry = self.registry.entries.get((of.kind, use))
        if entry is None:
            self._unknown_component(of.kind, use, named.place, path)
            return stand_in(of)
        if not set(of.gives) <= set(entry.gives):
            self._misfit(of, use, named.place, path)
        items = node.items if isinstance(node, Map) else {}
        entries = {k: i for k, i in items.items() if k != "use"}
        return Slot(of.kind, use, self.model(entry.options, entries, path, item.key, of=use))

    def slots(self, of: SlotOf, item: Item, path: Path, networks: bool) -> dict[str, Slot]:
        """Resolve a mapping of slots; of the networks' optimizers, `generator` names the rest's."""
        if not isinstance(item.value, Map):
            message = f"expected a mapping of names to {plural(of.kind)}, "
            self.problems.add(item.place, path, message + f"got {describe(item.value)}")
            return {}
        items = item.value.items
        generator = items.get("generator") if networks else None
        implied = word_of(use_of(generator.value)) if generator else None
        found = {}
        for name, inner in items.items():
            below = (*path, name)
            if is_null(inner.value):
                self._deletion(name, inner, items, below)
                continue
            if not _WORD.fullmatch(name):
                message = f"'{name}' cannot be a name here"
                hint = "use letters, digits, '_' and '-', and begin with a letter"
                self.problems.add(inner.key, below, message, hint)
            near = nearest(name, [other for other in items if other != name])
            found[name] = self.slot(of, inner, below, implied or "", near)
        return found

    def _values(
        self, model: type[Options], entries: Mapping[str, Item], path: Path, at: Place
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        slots = slot_fields(model)
        for name, field in model.model_fields.items():
            item, below = entries.get(name), (*path, name)
            if item is not None and not is_null(item.value):
                networks = getattr(model, "optimizer_keys", "") == "networks"
                values[name] = self._value(field, slots.get(name), item, below, networks)
            elif item is not None and takes_none(field):
                values[name] = None
            elif field.is_required():
                if not old_keys_of(name, entries):  # else the old name is the problem
                    message = f"'{name}' is missing" if item is None else f"'{name}' cannot be left out"
                    place = at if item is None else item.place
                    self.problems.add(place, below, message, meaning(name, field))
                values.update(stand_ins(name, slots.get(name)))
        return values

    def _value(
        self, field: FieldInfo, slots: SlotField | None, item: Item, path: Path, networks: bool
    ) -> Any:
        if slots and slots.many:
            return self.slots(slots.of, item, path, networks and slots.of.kind == "optimizer")
        if slots:
            return self.slot(slots.of, item, path)
        inner = option_model(field)
        if inner is not None:
            if isinstance(item.value, Map):
                return self.model(inner, item.value.items, path, item.key)
            message = f"expected a mapping (key: value), got {describe(item.value)}"
            self.problems.add(item.place, path, message, known_keys(inner, ""))
            return inner.model_construct()
        if takes_list(field) and word_of(item.value) is not None:
            return [plain(item.value)]
        return plain(item.value)

    def _unknown(self, model: type[Options], entries: Mapping[str, Item], path: Path, of: str) -> None:
        known = [*model.model_fields, *([] if path else ["extends"])]
        for name, item in entries.items():
            new = new_key(name, known) if name not in known else None
            if new is not None:
                self.problems.add(item.key, (*path, name), renamed("the key", name, new), f"write {new!r}")
            elif name not in known:
                near = nearest(name, known)
                hint = f"did you mean '{near}'? " if near else ""
                hint += known_keys(model, of)
                self.problems.add(item.key, (*path, name), f"unknown key '{name}'", hint)

    def _invalid(
        self, error: ValidationError, entries: Mapping[str, Item], path: Path, at: Place
    ) -> set[str]:
        grouped: dict[Path, list[Any]] = {}
        for detail in error.errors(include_url=False):
            if detail["type"] != "missing" or len(detail["loc"]) > 1:
                grouped.setdefault(written(entries, detail["loc"]), []).append(detail)
        for loc, details in grouped.items():
            item = walk(entries, loc)
            if item is None:
                self.problems.add(at, path, explain(details, Scalar(None, at))[0])
                continue
            message, hint = explain(details, item.value)
            self.problems.add(item.place, (*path, *loc), message, hint)
        return {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}

    def _converted(
        self, options: Options, values: dict[str, Any], entries: Mapping[str, Item], path: Path
    ) -> set[str]:
        bad = set()
        for name, value in values.items():
            for loc, wanted in converted(value, getattr(options, name)):
                item = walk(entries, (name, *loc))
                bad.add(name)
                if item is not None:
                    message = f"expected {wanted}, got {describe(item.value)}"
                    self.problems.add(item.place, (*path, name, *loc), message)
        return bad

    def _unnamed(self, of: SlotOf, named: Scalar | None, item: Item, path: Path, near: str | None) -> None:
        known = ", ".join(self.registry.names(of.kind)) or "none is installed"
        hint = f"did you mean '{near}'? " if near else ""
        hint += f"add `use: NAME`; known {plural(of.kind)}: {known}"
        if named is None or is_null(named):
            message, place = f"no `use` says which {of.kind} this is", item.key
        else:
            message, place = f"expected a {of.kind}'s name, got {describe(named)}", named.place
        self.problems.add(place, path, message, hint)

    def _unknown_component(self, kind: str, use: str, place: Place, path: Path) -> None:
        new = OLD_COMPONENTS.get((kind, use))
        if new is not None:
            self.problems.add(place, path, renamed(f"the {kind}", use, new), f"write {new!r}")
            return
        self.problems.add(place, path, f"unknown {kind} '{use}'", self.registry.hint(kind, use))

    def _old_name(self, item: Item, path: Path) -> bool:
        """Note an entry under its old name, which the parent's recipe has under another now."""
        new = new_name(str(path[-1]), str(path[-2])) if len(path) > 1 else None
        if new is not None:
            message = renamed("the name", str(path[-1]), new)
            self.problems.add(item.key, path, message, f"write {new!r}")
        return new is not None

    def _misfit(self, of: SlotOf, use: str, place: Place, path: Path) -> None:
        entries = self.registry.of_kind(of.kind)
        fits = ", ".join(e.name for e in entries if set(of.gives) <= set(e.gives))
        needed = " and ".join(of.gives)
        message = f"{of.kind} '{use}' does not fit here: one that gives {needed} is needed"
        hint = f"{plural(of.kind)} that fit: {fits or 'none is installed'}"
        self.problems.add(place, path, message, hint)

    def _deletion(self, name: str, item: Item, items: Mapping[str, Item], path: Path) -> None:
        assert isinstance(item.value, Scalar)
        if not item.value.deletes and self._old_name(item, path):
            return
        near = nearest(name, [k for k, i in items.items() if i.key.source is not item.key.source])
        if near and not item.value.deletes:
            message = f"null leaves out '{name}', but there is no '{name}'"
            self.problems.add(item.key, path, message, f"did you mean '{near}'?")
