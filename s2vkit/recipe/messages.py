"""Pydantic's errors in plain words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic_core import ErrorDetails

from s2vkit.recipe.nodes import Map, Node, Seq
from s2vkit.recipe.old_words import new_value, renamed
from s2vkit.registry import nearest

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping (key: value)",
    "model": "a mapping (key: value)",
    "none": "null",
}
_BOUNDS = {
    "greater_than": ("gt", "must be above {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be below {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "multiple_of": ("multiple_of", "must be a multiple of {}"),
}


def describe(node: Node) -> str:
    """Describe what was written: the text 'abc', the number 3, a list."""
    if isinstance(node, Seq):
        return "a list"
    if isinstance(node, Map):
        return "a mapping"
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        shown = value if len(value) <= 60 else value[:60] + "..."
        return f"the text '{shown}'"
    return f"the number {value}"


def explain(errors: Sequence[ErrorDetails], got: Node) -> tuple[str, str]:
    """Put the errors that pydantic found in one value into a message and a hint."""
    wants = [_wanted(error) for error in errors]
    if len(errors) > 1 and all(wants):
        either = " or ".join(dict.fromkeys(w for w in wants if w))
        return f"expected {either}, got {describe(got)}", ""
    chosen = next((e for e, w in zip(errors, wants, strict=True) if not w), errors[0])
    return _explain_one(chosen, got)


def _explain_one(error: ErrorDetails, got: Node) -> tuple[str, str]:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        key, text = _BOUNDS[kind]
        return f"{text.format(_number(context[key]))}, got {_bare(got)}", ""
    if kind in ("literal_error", "enum"):
        return _explain_choice(str(context["expected"]), got)
    if kind in ("too_short", "too_long"):
        short = kind == "too_short"
        bound = context["min_length" if short else "max_length"]
        items = f"{bound} item{'s' if bound != 1 else ''}"
        return f"must have at {'least' if short else 'most'} {items}", ""
    if kind == "missing":
        last = error["loc"][-1]
        return (f"item {last + 1}" if isinstance(last, int) else f"'{last}'") + " is missing", ""
    if kind in ("value_error", "assertion_error"):
        return str(context["error"]) or "is not valid", ""
    if kind == "int_from_float":
        return f"expected a whole number, got {describe(got)}", ""
    if kind == "extra_forbidden":
        return "unknown key", ""
    wanted = _wanted(error)
    if wanted:
        return f"expected {wanted}, got {describe(got)}", _quoting(wanted, got)
    return error["msg"][:1].lower() + error["msg"][1:], ""


def _explain_choice(expected: str, got: Node) -> tuple[str, str]:
    choices = _choices(expected)
    value = getattr(got, "value", None)
    new = new_value(value, choices)
    if new is not None:
        return renamed("the word", str(value), new), f"write {new!r}"
    near = nearest(value, choices) if isinstance(value, str) else None
    many = "one of " if len(choices) > 1 else ""
    message = f"must be {many}{', '.join(choices)}, got {describe(got)}"
    return message, f"did you mean '{near}'?" if near else ""


def _choices(expected: str) -> list[str]:
    found = re.findall(r"'([^']*)'|([^\s,']+)", expected.replace(" or ", ", "))
    return [quoted or bare for quoted, bare in found]


def _wanted(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind == "literal_error":
        return " or ".join(f"'{c}'" for c in _choices(str(error.get("ctx", {})["expected"])))
    if kind == "int_from_float":
        return "a whole number"
    stem = re.sub(r"_(type|parsing|parsing_size|required|attributes_type)$", "", kind)
    return _EXPECTED.get(stem, "") if stem != kind else ""


def _quoting(wanted: str, got: Node) -> str:
    value = getattr(got, "value", None)
    if wanted == "text" and isinstance(value, bool | int | float):
        return "put it in quotes"
    return ""


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bare(node: Node) -> str:
    return str(node.value) if not isinstance(node, Seq | Map) else describe(node)
