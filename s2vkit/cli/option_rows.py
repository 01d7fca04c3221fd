"""An option model as rows: name, type, default, limits, meaning."""

from __future__ import annotations

import types
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from s2vkit.options import SlotField, dump_options, slot_fields

_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "a multiple of"}
_LENGTHS = {"min_length": "at least {} long", "max_length": "at most {} long"}


@dataclass(frozen=True)
class OptionRow:
    """One option, in words."""

    name: str
    type: str
    required: bool
    default: Any
    limits: str
    description: str
    slot: str | None  # the kind of component that fills it

    def as_data(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def as_cells(self) -> list[str]:
        """Return the cells of a table."""
        default = "required" if self.required else _shown(self.default)
        return [self.name, self.type, default, self.limits, self.description]


def option_rows(model: type[BaseModel], prefix: str = "") -> list[OptionRow]:
    """Describe each option of a model; those of a nested model follow it, with dotted names."""
    slots = slot_fields(model)
    rows: list[OptionRow] = []
    for name, field in model.model_fields.items():
        rows.append(_row(prefix + name, field, slots.get(name)))
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            rows += option_rows(inner, f"{prefix}{name}.")
    return rows


def _row(name: str, field: FieldInfo, slot: SlotField | None) -> OptionRow:
    required = field.is_required()
    default = None if required else _plain(field.get_default(call_default_factory=True))
    return OptionRow(
        name=name,
        type=_slot_type(slot) if slot else type_words(field.annotation),
        required=required,
        default=default,
        limits="; ".join(_limits(field)),
        description=field.description or "",
        slot=slot.of.kind if slot else None,
    )


def _slot_type(slot: SlotField) -> str:
    what = f"{slot.of.kind} slot"
    if slot.of.gives:
        what += f" giving {' and '.join(slot.of.gives)}"
    return f"mapping of name to {what}" if slot.many else what


def type_words(annotation: Any) -> str:
    """Describe a type annotation in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_words(inner[0])
    if origin is Literal:
        return " | ".join(map(str, inner))
    if origin in (Union, types.UnionType):
        return " | ".join(type_words(a) for a in inner)
    if origin is dict:
        return f"mapping of {type_words(inner[0])} to {type_words(inner[1])}"
    if origin in (list, tuple):
        words = [type_words(a) for a in inner if a is not ...]
        return f"{origin.__name__} of {', '.join(words)}"
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _limits(field: FieldInfo) -> list[str]:
    limits = []
    for mark in field.metadata:
        limits += [f"{sign} {getattr(mark, k)}" for k, sign in _SIGNS.items() if _has(mark, k)]
        limits += [t.format(getattr(mark, k)) for k, t in _LENGTHS.items() if _has(mark, k)]
        if _has(mark, "pattern"):
            limits.append(f"matches {mark.pattern}")
    return limits


def _has(mark: Any, key: str) -> bool:
    return getattr(mark, key, None) is not None


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return dump_options(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if hasattr(value, "dump"):
        return value.dump()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
