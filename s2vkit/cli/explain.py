"""`s2vkit show --explain`: every key of a resolved recipe under its description, type and default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from s2vkit.cli.option_rows import OptionRow, option_rows
from s2vkit.options import Options, Slot

if TYPE_CHECKING:
    from s2vkit.recipe.load import Loaded
    from s2vkit.registry import Registry

_WIDTH = 100


def explain_recipe(loaded: Loaded, registry: Registry) -> Iterator[str]:
    """Write a recipe as YAML, each key under a comment with its meaning, type, default and origin."""
    yield from _options(loaded.recipe, "", loaded.origins, registry)


def _options(options: Options, path: str, origins: Mapping[str, Any], registry: Registry) -> Iterator[str]:
    rows = {row.name: row for row in option_rows(type(options)) if "." not in row.name}
    for name, row in rows.items():
        yield from _key(row, getattr(options, name), f"{path}{name}", origins, registry)


def _key(
    row: OptionRow, value: Any, path: str, origins: Mapping[str, Any], registry: Registry
) -> Iterator[str]:
    indent = "  " * path.count(".")
    yield from (f"{indent}# {line}" for line in _meaning(row, origins.get(path)))
    if isinstance(value, dict) and any(isinstance(one, Slot) for one in value.values()):
        yield f"{indent}{row.name}:"
        for name, slot in value.items():
            yield f"{indent}  {name}:"
            yield from _slot(slot, f"{path}.{name}.", origins, registry)
    elif isinstance(value, Slot):
        yield f"{indent}{row.name}:"
        yield from _slot(value, f"{path}.", origins, registry)
    elif isinstance(value, Options):
        yield f"{indent}{row.name}:"
        yield from _options(value, f"{path}.", origins, registry)
    else:
        yield f"{indent}{row.name}: {_inline(value)}"


def _slot(slot: Slot, path: str, origins: Mapping[str, Any], registry: Registry) -> Iterator[str]:
    indent = "  " * path.count(".")
    summary = registry.get(slot.kind, slot.use).summary
    yield f"{indent}# {slot.kind}: {summary}" if summary else f"{indent}# {slot.kind}"
    yield f"{indent}use: {slot.use}"
    yield from _options(slot.options, path, origins, registry)


def _meaning(row: OptionRow, origin: Any) -> Iterator[str]:
    yield from _wrapped(row.description or row.name)
    default = "required" if row.required else f"default {row.as_cells()[2]}"
    facts = [row.type, *([row.limits] if row.limits else []), default]
    origin_text = str(origin) if origin is not None else ""
    if origin_text and origin_text != "default":
        facts.append(f"set in {origin_text}")
    yield "[" + "; ".join(facts) + "]"


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, _WIDTH) or [text]


def _inline(value: Any) -> str:
    """Write plain data in one line, as YAML reads it back."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    return str(text).removesuffix("\n").removesuffix("\n...")
