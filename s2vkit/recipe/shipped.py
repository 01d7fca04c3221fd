"""The recipes that come with the package: listed, found by name, copied to be edited."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from s2vkit.errors import InputError

_PACKAGE = Path(__file__).parent.parent
_FOLDERS = (_PACKAGE / "shipped_recipes", _PACKAGE.parent / "recipes")  # of a wheel, of a checkout
_REFERENCE = re.compile(r"(?m)^extends:\s*(\S+)|\brecipe:\s*([^\s,}]+)")


@dataclass(frozen=True)
class ShippedRecipe:
    """One recipe of the package: its name, its file, and the first line of its comment."""

    name: str
    path: Path
    summary: str


def shipped_recipes() -> list[ShippedRecipe]:
    """List the recipes of the package by name, those of subfolders last."""
    folder = recipes_folder()
    files = sorted(folder.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    return [ShippedRecipe(_name(path, folder), path, _summary(path)) for path in files]


def find_shipped(name: str) -> Path | None:
    """Find the file of a recipe of the package by its name, with or without `.yaml`."""
    wanted = name.removesuffix(".yaml")
    return next((recipe.path for recipe in shipped_recipes() if recipe.name == wanted), None)


def copy_shipped(name: str, folder: Path, *, force: bool = False) -> list[Path]:
    """Copy a recipe and all that it refers to into a folder; give the files written, its own first.

    Raises InputError if there is no such recipe, or a file is there already.
    """
    path = find_shipped(name)
    if path is None:
        known = ", ".join(recipe.name for recipe in shipped_recipes())
        raise InputError(f"there is no recipe '{name}' in the package", hint=f"recipes: {known}")
    root = recipes_folder().resolve()
    targets = {source: folder / source.relative_to(root) for source in _with_references(path.resolve())}
    taken = [target for target in targets.values() if target.exists()]
    if taken and not force:
        raise InputError(f"{taken[0]}: is there already", hint="add --force to replace it")
    for source, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    return list(targets.values())


def recipes_folder() -> Path:
    """Return the folder of the package's recipes. Raises InputError if it is not installed."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    if folder is None:
        raise InputError("the recipes of the package are not installed", hint="install s2vkit again")
    return folder


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _summary(path: Path) -> str:
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _with_references(path: Path) -> list[Path]:
    """Follow `extends:` and the systems of a comparison: each file once, the first one first."""
    found = [path]
    for source in found:
        for match in _REFERENCE.finditer(source.read_text(encoding="utf-8")):
            other = (source.parent / (match[1] or match[2])).resolve()
            if other.is_file() and other not in found:
                found.append(other)
    return found
