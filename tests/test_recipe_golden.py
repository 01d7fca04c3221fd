"""Every bad recipe in `recipes_bad/` gives exactly the report beside it.

After a wanted change, write the reports anew with `S2VKIT_GOLDEN=1 pytest
tests/test_recipe_golden.py` and read the difference. A line `# --set KEY=VALUE` in a recipe
is given to the loader; a file whose name is in ABSENT must not exist.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from helpers_registry import fake_registry

from s2vkit.errors import RecipeError
from s2vkit.recipe.load import load_recipe

FOLDER = Path(__file__).parent / "recipes_bad"
NAMED = re.compile(r"\d\d_[a-z0-9_]+")
ABSENT = ("60_no_such_file.yaml", "61_a_folder.yaml")
FAILED_PLUGIN = ("06_unknown_with_failed_plugin.yaml",)


def cases() -> list[str]:
    files = [p.name for p in FOLDER.glob("*.yaml") if p.is_file()]
    return sorted({*files, *ABSENT})


def report_of(name: str) -> str:
    path = Path(name)
    data = path.read_bytes().decode("latin-1") if path.is_file() else ""
    sets = re.findall(r"^# --set (.*)$", data, flags=re.MULTILINE)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, sets, fake_registry(failed=name in FAILED_PLUGIN))
    return str(caught.value) + "\n"


@pytest.mark.parametrize("name", cases())
def test_report_is_exactly_the_golden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    golden = FOLDER / name.replace(".yaml", ".txt")
    report = report_of(name)
    if os.environ.get("S2VKIT_GOLDEN"):
        golden.write_text(report, encoding="utf-8")
    assert report == golden.read_text(encoding="utf-8")
    assert re.search(r"^(1 problem|([2-9]|\d\d+) problems) in .*; nothing was run\.$", report, re.M)


def test_no_bad_recipe_and_no_golden_is_left_out() -> None:
    names = {Path(name).stem for name in cases()}
    assert len(names) >= 32
    assert {p.stem for p in FOLDER.glob("*.txt")} == names
    assert all(NAMED.fullmatch(name) for name in names)
    known = {f"{n}.yaml" for n in names} | {f"{n}.txt" for n in names} | {"parents", ABSENT[1]}
    assert {p.name for p in FOLDER.iterdir()} <= known
    parents = {p.name for p in (FOLDER / "parents").iterdir()}
    texts = [p.read_bytes() for p in FOLDER.rglob("*.yaml") if p.is_file()]
    assert {p for p in parents if not any(p.encode() in t for t in texts)} == set()


def test_the_count_of_problems_is_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    for name in cases():
        report = (FOLDER / name.replace(".yaml", ".txt")).read_text(encoding="utf-8")
        *lines, last = report.splitlines()
        heads = [line for line in lines if re.match(r"\S", line)]
        assert last.startswith(f"{len(heads)} problem"), name
