"""The floors of the house: what may import what, read from the sources without running them."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "s2vkit").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))

FLOORS = {
    "errors": 0,
    "options": 0,
    "footage_options": 0,
    "validation_options": 0,
    "installed": 1,
    "checkpoints": 0,
    "hookspecs": 0,
    "files": 1,
    "leftovers": 0,
    "registry": 1,
    "plugins": 1,
    "settings": 0,
    "ahead": 0,
    "units": 0,
    "recipe": 2,
    "speech": 1,
    "tensors": 2,
    "interfaces": 2,
    "media": 2,
    "marking": 2,
    "data": 2,
    "device": 2,
    "nn": 2,
    "build": 3,
    "inference": 3,
    "export": 4,
    "engine": 4,
    "runs": 4,
    "rendering": 4,
    "benchmark": 4,
    "study": 4,
    "videos": 4,
    "report": 4,
    "testing": 4,
    "serve": 4,
    "cli": 5,
    "__main__": 6,
}
NO_TORCH = (
    "errors",
    "options",
    "footage_options",
    "validation_options",
    "installed",
    "checkpoints",
    "hookspecs",
    "files",
    "leftovers",
    "registry",
    "plugins",
    "settings",
    "units",
    "recipe",
    "cli",
)
HEAVY = {
    "torch",
    "torchvision",
    "torchaudio",
    "timm",
    "av",
    "numpy",
    "matplotlib",
    "einops",
    "safetensors",
    "PIL",
}
BESIDE = {
    ("plugins", "registry"),
    ("settings", "options"),
    ("hookspecs", "options"),
    ("footage_options", "options"),
    ("validation_options", "options"),
    ("hookspecs", "checkpoints"),
    ("checkpoints", "errors"),
    ("checkpoints", "installed"),
    ("installed", "errors"),
    ("data", "media"),
    ("data", "interfaces"),
    ("media", "interfaces"),
    ("marking", "interfaces"),
    ("marking", "media"),
    ("engine", "report"),
    ("build", "inference"),
    ("engine", "runs"),
    ("engine", "rendering"),
    ("runs", "engine"),
    ("runs", "report"),
    ("rendering", "engine"),
    ("rendering", "report"),
    ("benchmark", "engine"),
    ("benchmark", "runs"),
    ("benchmark", "rendering"),
    ("benchmark", "report"),
    ("study", "engine"),
    ("study", "runs"),
    ("study", "inference"),
    ("study", "report"),
    ("videos", "benchmark"),
    ("videos", "engine"),
    ("videos", "report"),
    ("videos", "runs"),
}
"""Who may import whom on one floor; never the other way round."""


def named(path: Path) -> str:
    """Name the piece of the core that a file belongs to; the facade is ''."""
    parts = path.relative_to(ROOT / "s2vkit").with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imports(path: Path, *, top_only: bool = False) -> Iterator[tuple[str, int]]:
    """Return every absolute module a file imports; `top_only` leaves functions' imports out."""
    for node in _walk(ast.parse(path.read_text(encoding="utf-8")), top_only):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield str(node.module), node.lineno
            if node.module == "s2vkit":
                yield from ((f"s2vkit.{alias.name}", node.lineno) for alias in node.names)


def _walk(tree: ast.AST, top_only: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if top_only and (_is_type_checking(node) or isinstance(node, ast.FunctionDef)):
            continue
        yield node
        yield from _walk(node, top_only)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def pieces(module: str) -> str | None:
    """Name the piece of the core that `s2vkit.x.y` is of, if it is one."""
    parts = module.split(".")
    return parts[1] if parts[0] == "s2vkit" and len(parts) > 1 and parts[1] in FLOORS else None


def test_there_is_something_to_read():
    assert len(CORE) > 40
    assert len(PLUGINS) > 20


def test_every_piece_of_the_core_has_a_floor():
    assert {named(path) for path in CORE} - {""} <= set(FLOORS)


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_imports_only_downward(path):
    own = named(path)
    if not own:  # the facade may name everything, late
        return
    wrong = [
        f"{path}:{line}: {own} (floor {FLOORS[own]}) imports {module}"
        for module, line in imports(path)
        if (piece := pieces(module))
        and piece != own
        and FLOORS[piece] >= FLOORS[own]
        and (own, piece) not in BESIDE
    ]
    assert wrong == []


@pytest.mark.parametrize("name", NO_TORCH)
def test_light_modules_import_nothing_heavy_at_their_top(name):
    read = [path for path in CORE if named(path) == name]
    assert read
    wrong = [
        f"{path}:{line}: {module}"
        for path in read
        for module, line in imports(path, top_only=True)
        if module.split(".")[0] in HEAVY or pieces(module) not in (None, *NO_TORCH)
    ]
    assert wrong == []


def test_the_core_names_no_plugin():
    """Neither imports one nor holds its module's name in a string."""
    modules = [folder.name for folder in (ROOT / "plugins").iterdir() if folder.is_dir()]
    assert len(modules) > 5
    wrong = [
        f"{path}: {module}"
        for path in CORE
        for module in modules
        if module in path.read_text(encoding="utf-8")
    ]
    assert wrong == []


@pytest.mark.parametrize("path", PLUGINS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_plugin_imports_the_facade_and_itself_only(path):
    own = path.relative_to(ROOT / "plugins").parts[0]
    others = {folder.name for folder in (ROOT / "plugins").iterdir()} - {own}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = [
        (name, node.lineno)
        for node in ast.walk(tree)
        for name in (
            [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    wrong = [
        f"{path}:{line}: {module}"
        for module, line in modules
        if (module.startswith("s2vkit.") and module != "s2vkit.nn") or module.split(".")[0] in others
    ]
    assert wrong == []


def _registers(path: Path) -> bool:
    """Whether a module is loaded with its plugin's registration: it registers, or has options for it."""
    return path.name == "__init__.py" or path.stem.endswith("_options")


@pytest.mark.parametrize(
    "path", [p for p in PLUGINS if _registers(p)], ids=lambda p: f"{p.parent.name}.{p.stem}"
)
def test_a_plugins_registration_imports_nothing_heavy(path):
    facade = _names_that_need_torch()
    own = path.parent.name
    wrong = [
        f"{path}:{line}: {module}"
        for module, line in imports(path)
        if module.split(".")[0] in HEAVY
        or (module.split(".")[0] == own and not module.split(".")[1].endswith("_options"))
        or module.removeprefix("s2vkit.") in facade
    ]
    assert wrong == []


def _names_that_need_torch() -> set[str]:
    import s2vkit

    return set(s2vkit._LAZY)


def test_every_plugin_folder_is_registered_and_shipped():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = {p.name for p in (ROOT / "plugins").iterdir() if (p / "__init__.py").is_file()}
    points = set(project["project"]["entry-points"]["s2vkit.plugins"].values())
    shipped = {
        Path(p).name
        for p in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        if p.startswith("plugins/")
    }
    assert folders == points == shipped


def test_the_facade_exports_what_it_says():
    import s2vkit

    assert sorted(set(s2vkit.__all__)) == sorted(s2vkit.__all__)
    missing = [name for name in s2vkit._LAZY if name not in s2vkit.__all__]
    assert missing == []
