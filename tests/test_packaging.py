"""What is shipped: the wheel's contents, the plugins' entry points, the pins and the bounds."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from importlib.metadata import version as installed
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PLUGINS = sorted(p.parent.name for p in (ROOT / "plugins").glob("*/__init__.py"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
REQUIRED = [
    Requirement(text) for group in (PROJECT["project"]["dependencies"], *EXTRAS.values()) for text in group
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        yield archive


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    rows = [line.partition("==") for line in lines if line and not line.startswith("#")]
    assert all(sign == "==" and version for _, sign, version in rows)
    return {name: version for name, _, version in rows}


def entry_points(archive: zipfile.ZipFile) -> dict[str, str]:
    (name,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
    parsed = configparser.ConfigParser()
    parsed.read_string(archive.read(name).decode())
    return dict(parsed["s2vkit.plugins"])


@pytest.mark.skipif(not shutil.which("git") or not (ROOT / ".git").exists(), reason="no git checkout")
def test_no_file_that_is_kept_is_large_but_the_demo_model() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name for name in listed.decode().split("\0") if name]
    assert len(files) > 500
    large = {f.relative_to(ROOT).as_posix() for f in files if f.exists() and f.stat().st_size > 1_000_000}
    assert large == {"s2vkit/demo_model/model.safetensors"}


def test_nothing_but_our_own_names_lies_at_the_top_of_the_wheel(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops - {f"s2vkit-{version()}.dist-info"} == {"s2vkit", *PLUGINS}
    assert len(PLUGINS) >= 14


def test_every_module_of_the_checkout_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    ours = {p.relative_to(ROOT) for p in (ROOT / "s2vkit").rglob("*.py")}
    ours |= {p.relative_to(ROOT / "plugins") for p in (ROOT / "plugins").rglob("*.py")}
    assert {p.as_posix() for p in ours} <= set(wheel.namelist())
    assert "s2vkit/py.typed" in wheel.namelist()
    assert "s2vkit/study/page.html" in wheel.namelist()
    assert "s2vkit/export/page/player.js" in wheel.namelist()
    assert {f"s2vkit/demo_model/{path.name}" for path in (ROOT / "s2vkit" / "demo_model").iterdir()} <= set(
        wheel.namelist()
    )
    assert {f"s2vkit/report/static/page.{kind}" for kind in ("css", "js")} <= set(wheel.namelist())
    assert {f"s2vkit/serve/static/{p.name}" for p in (ROOT / "s2vkit/serve/static").iterdir()} <= set(
        wheel.namelist()
    )


def test_every_plugin_folder_is_registered_by_an_entry_point(wheel: zipfile.ZipFile) -> None:
    assert sorted(entry_points(wheel).values()) == PLUGINS
    assert all(f"s2vkit_{name}" == module for name, module in entry_points(wheel).items())


def test_pyproject_lists_every_plugin_folder() -> None:
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(packages) == sorted(["s2vkit", *(f"plugins/{name}" for name in PLUGINS)])


def test_the_wheel_holds_its_licence(wheel: zipfile.ZipFile) -> None:
    (name,) = [n for n in wheel.namelist() if n.endswith("/licenses/LICENSE")]
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()
    assert "Apache License" in wheel.read(name).decode()


def test_the_wheel_holds_no_rubbish_and_stays_small(wheel: zipfile.ZipFile) -> None:
    wrong = re.compile(r"__pycache__|\.pyc$|(^|/)tests?/|\.mp4$|\.safetensors$")
    others = [one for one in wheel.infolist() if not one.filename.startswith("s2vkit/demo_model/")]
    assert [one.filename for one in others if wrong.search(one.filename)] == []
    assert sum(one.file_size for one in others) < 3_000_000


@pytest.mark.parametrize("requirement", REQUIRED, ids=str)
def test_bounds_are_open_and_the_pin_is_within(requirement: Requirement) -> None:
    signs = [part.operator for part in requirement.specifier]
    assert signs == [">="], "a lower bound alone: pins are for constraints.txt"
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_torch_and_its_companions_are_pinned_together() -> None:
    together = {name: pins()[name] for name in ("torch", "torchvision", "torchaudio")}
    assert together == {"torch": "2.14.1", "torchvision": "0.29.1", "torchaudio": "2.11.0"}


def test_constraints_hold_names_and_versions_alone() -> None:
    text = (ROOT / "constraints.txt").read_text()
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    assert rows == sorted(rows, key=lambda row: row.partition("=="))
    assert [row for row in rows if not re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9A-Za-z.]*", row)] == []


def test_constraints_cover_what_our_dependencies_need_in_turn() -> None:
    if installed("torch") != pins()["torch"]:
        pytest.skip("other versions than the pinned ones are installed")
    missing = sorted(needed_in_turn() - set(pins()))
    assert [name for name in missing if not name.startswith(("nvidia-", "cuda-"))] == []


def needed_in_turn() -> set[str]:
    """Name all that is reached from what pyproject needs, as far as it is installed here."""
    found: set[str] = set()
    todo = list(REQUIRED)
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        found.add(name)
        try:
            texts = requires(name) or []
        except PackageNotFoundError:  # an extra that is not installed
            continue
        inner = [Requirement(text) for text in texts]
        todo += [r for r in inner if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.parametrize(
    ("folders", "extras"),
    [
        (
            ["s2vkit", "plugins"],
            [
                "synthetic",
                "faces",
                "pretrained",
                "mark",
                "export",
                "serve",
                "landmarks",
                "microphone",
                "window",
            ],
        ),
        (["tests", "benchmarks"], ["test"]),
    ],
    ids=["product", "tests"],
)
def test_everything_imported_is_declared(folders: list[str], extras: list[str]) -> None:
    texts = PROJECT["project"]["dependencies"] + [text for name in extras for text in EXTRAS[name]]
    declared = {canonicalize_name(Requirement(text).name) for text in texts}
    files = [p for folder in ("tests", "benchmarks") for p in (ROOT / folder).rglob("*.py")]
    own = {p.parent.name if p.stem == "__init__" else p.stem for p in files}
    ours = {"s2vkit", *PLUGINS, *own}
    foreign = imported(folders) - set(sys.stdlib_module_names) - ours
    owners = packages_distributions()
    bringing = {name: {canonicalize_name(d) for d in owners.get(name, [name])} for name in foreign}
    undeclared = {name for name, owned in bringing.items() if not owned & declared}
    assert undeclared - OUTSIDERS - {"pydantic_core"} == set()  # pydantic pins its core exactly


OUTSIDERS = {folder.name for folder in (ROOT / "tests" / "outside").iterdir()}


def imported(folders: list[str]) -> set[str]:
    """Name the top-level modules that the code in folders imports."""
    found: set[str] = set()
    for path in (p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found


def version() -> str:
    return str(PROJECT["project"]["version"])


def test_the_package_and_pyproject_say_one_version() -> None:
    import s2vkit

    assert s2vkit.__version__ == version()
