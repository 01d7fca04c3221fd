"""Reading a recipe's file, or saying plainly why it cannot be read."""

from __future__ import annotations

from pathlib import Path as FilePath

from s2vkit.recipe.nodes import Place
from s2vkit.recipe.old_words import OLD_RECIPES, rename_hint
from s2vkit.recipe.report import Problems
from s2vkit.registry import nearest

MAX_BYTES = 256 * 1024


def read_text(path: FilePath, place: Place, problems: Problems) -> str | None:
    """Read a recipe's file; what is wrong with it is noted at `place`."""
    name = str(path)
    try:
        if path.is_dir():
            problems.add(place, (), f"'{name}' is a folder, not a recipe", _inside(path))
            return None
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        problems.add(place, (), f"there is no file '{name}'", _nearest_file(path))
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.add(place, (), f"'{name}' cannot be read: {reason}")
        return None
    if len(data) > MAX_BYTES:
        problems.add(place, (), f"'{name}' is larger than {MAX_BYTES // 1024} KiB: not a recipe")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x} in line {line}"
        problems.add(place, (), f"'{name}' is not UTF-8 text: {byte}", "save the file as UTF-8")
        return None


def _nearest_file(path: FilePath) -> str:
    if not path.parent.is_dir():
        return f"there is no folder '{path.parent}' either"
    files = sorted(p for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml"))
    names = [p.name for p in files]
    near = nearest(path.stem, [p.stem for p in files])
    if path.stem in OLD_RECIPES:
        return rename_hint(path.stem, OLD_RECIPES)
    if near:
        return f"did you mean '{next(p for p in files if p.stem == near)}'?"
    return f"recipes in '{path.parent}': {', '.join(names[:8])}" if names else ""


def _inside(path: FilePath) -> str:
    names = sorted(str(path / p.name) for p in path.iterdir() if p.suffix in (".yaml", ".yml"))
    return f"recipes in it: {', '.join(names[:8])}" if names else "it holds no recipe"
