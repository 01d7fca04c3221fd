"""Finding values that a model took for something else than what was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from s2vkit.options import dump_options
from s2vkit.recipe.nodes import Path


def converted(raw: Any, typed: Any) -> Iterator[tuple[Path, str]]:
    """Find texts read as numbers, words read as truth values and the like.

    Gives the path below `raw` and what was wanted there. Pydantic would accept the text
    '3' as a number and `yes` as true; a recipe says what it means.
    """
    if isinstance(raw, Mapping) and isinstance(typed, Mapping):
        for key, value in raw.items():
            if key in typed:
                yield from (((key, *loc), want) for loc, want in converted(value, typed[key]))
    elif isinstance(raw, list) and isinstance(typed, list | tuple) and len(raw) == len(typed):
        for index, (value, inner) in enumerate(zip(raw, typed, strict=True)):
            yield from (((index, *loc), want) for loc, want in converted(value, inner))
    elif isinstance(typed, bool):
        if not isinstance(raw, bool):
            yield (), "true or false"
    elif isinstance(typed, int | float) and isinstance(raw, str | bool):
        yield (), "a whole number" if isinstance(typed, int) else "a number"


def to_plain(options: BaseModel) -> dict[str, Any]:
    """Turn options into what YAML and JSON can hold."""
    plain = _plain(dump_options(options))
    assert isinstance(plain, dict)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(v) for v in value)
    if isinstance(value, Enum):
        return _plain(value.value)
    return str(value) if isinstance(value, PurePath) else value
