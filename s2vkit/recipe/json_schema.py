"""A JSON schema of recipes: every key, every installed component, every option.

It allows what a recipe that extends another may write: any part of the whole, and null to
take a key away. What goes with what is the checker's affair (`s2vkit validate`).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from s2vkit.options import KINDS, Options, SlotField, slot_fields
from s2vkit.recipe.comparison import ComparisonOptions
from s2vkit.recipe.fields import option_model
from s2vkit.recipe.schema import Recipe
from s2vkit.registry import Entry, Registry

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NULL: Schema = {"type": "null"}


def recipe_schema(registry: Registry) -> Schema:
    """Describe recipes and comparisons of recipes with the components of a registry."""
    definitions: Schema = {kind: _slot(registry.of_kind(kind)) for kind in KINDS}
    for kind in KINDS:
        for entry in registry.of_kind(kind):
            definitions[f"{kind}.{entry.name}"] = _component(entry)
    extends = {"extends": {"type": "string", "description": "the recipe that this one changes"}}
    recipe, comparison = _object(Recipe, extends), _object(ComparisonOptions, extends)
    return {
        "$schema": DRAFT,
        "title": "s2vkit recipe",
        "if": {"required": ["systems"]},
        "then": comparison,
        "else": recipe,
        "$defs": definitions,
    }


def _slot(entries: list[Entry]) -> Schema:
    """Allow a component's name, or a mapping with its options, or null."""
    names = [entry.name for entry in entries]
    by_name = [
        {
            "if": {"properties": {"use": {"const": entry.name}}, "required": ["use"]},
            "then": {"$ref": f"#/$defs/{entry.kind}.{entry.name}"},
        }
        for entry in entries
    ]
    mapping: Schema = {"type": "object", "properties": {"use": {"enum": names}}}
    if by_name:
        mapping["allOf"] = by_name
    return {"anyOf": [{"enum": names}, mapping, _NULL]}


def _component(entry: Entry) -> Schema:
    use = {"use": {"const": entry.name, "description": entry.summary}}
    return {**_object(entry.options, use), "title": f"{entry.kind} {entry.name}"}


def _object(model: type[Options], more: Schema) -> Schema:
    slots = slot_fields(model)
    properties = {name: _field(field, slots.get(name)) for name, field in model.model_fields.items()}
    return {
        "type": "object",
        "description": (model.__doc__ or "").strip().split("\n")[0],
        "properties": {**more, **properties},
        "additionalProperties": False,
    }


def _field(field: FieldInfo, slot: SlotField | None) -> Schema:
    found: Schema
    nested = option_model(field)
    if slot is not None:
        one = {"$ref": f"#/$defs/{slot.of.kind}"}
        found = {"type": ["object", "null"], "additionalProperties": one} if slot.many else one
    elif nested is not None:
        found = {"anyOf": [_object(nested, {}), _NULL]}
    else:
        found = {"anyOf": [_plain(field), _NULL]}
    described: Schema = {"description": field.description} if field.description else {}
    if not field.is_required() and isinstance(field.default, str | int | float | bool):
        described["default"] = field.default
    return {**found, **described}


def _plain(field: FieldInfo) -> Schema:
    """Describe a field that holds plain data, its limits with it; a word may stand for a list of one."""
    annotated: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    found: Schema = TypeAdapter(annotated).json_schema()
    lists = [one for one in found.get("anyOf", [found]) if one.get("type") == "array"]
    return {"anyOf": [found, *(one["items"] for one in lists if one.get("items"))]} if lists else found
