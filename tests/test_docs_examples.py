"""The prose agrees with the code: recipes and commands in it run, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers_cli import ROOT, call

from s2vkit.errors import EXIT_CODES
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe
from s2vkit.recipe.schema import Recipe
from s2vkit.settings import Alignment, Compute

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
CHEAP = {"validate", "list-components", "describe", "show"}
INSTALL = 'pip install -c constraints.txt -e ".[synthetic,mark]" && s2vkit run recipes/speech2video.yaml'
TEST = 'pip install -c constraints.txt -e ".[test]" && pytest'


def blocks(mark: str) -> list:
    """Find the fenced blocks whose first line is ```MARK."""
    pattern = re.compile(rf"^```{mark}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, text in enumerate(pattern.findall(page.read_text()))
    ]


def commands() -> list:
    """Find the cheap commands of our pages; those of plugins.md need the plugin it writes."""
    return [
        pytest.param(line.removeprefix("$ "), id=f"{block.id}-{line.split()[2]}")
        for block in blocks("console")
        if not str(block.id).startswith("plugins.md")
        for line in block.values[0].splitlines()
        if line.startswith("$ s2vkit ") and line.split()[2] in CHEAP
    ]


@pytest.mark.parametrize("text", blocks("yaml recipe"))
def test_recipes_in_the_pages_are_right(text: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(text)
    parent = load_recipe(ROOT / "recipes" / "speech2video.yaml", (), registry())
    loaded = load_recipe(recipe, (), registry())
    assert loaded.recipe.output != parent.recipe.output, "an experiment has its own run folder"
    assert loaded.data != {**parent.data, "output": loaded.recipe.output}


@pytest.mark.parametrize("command", commands())
def test_commands_in_the_pages_run(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    called = call(capsys, *shlex.split(command)[1:])
    assert called.code == 0, called.err
    assert called.out.strip()


def test_enough_examples_are_found() -> None:
    assert len(blocks("yaml recipe")) >= 6
    assert len(commands()) >= 6


def links(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(link)
    assert broken == []


def test_every_page_is_on_the_map() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert [name for name in sorted(pages) if f"({name})" not in index] == []


def test_the_readme_has_the_two_commands_on_a_line_each() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert INSTALL in lines
    assert TEST in lines


def test_ci_installs_as_the_readme_says() -> None:
    install, _, then = TEST.partition(" && ")
    script = (ROOT / ".ci" / "run").read_text()
    assert install.replace("install", "install --quiet") in script
    assert f"step {then}" in script


@pytest.mark.parametrize("model", [Recipe, Alignment, Compute], ids=lambda m: m.__name__)
def test_the_page_of_the_recipe_lists_every_key(model: type[Recipe]) -> None:
    rows = (ROOT / "docs" / "recipe.md").read_text().splitlines()
    for name, field in model.model_fields.items():
        (row,) = [row for row in rows if row.startswith(f"| `{name}` |")]
        _, _, default, meaning, _ = (cell.strip() for cell in row.split("|"))
        assert meaning == field.description
        if field.is_required():
            assert default == "required"
        elif field.default not in (None, {}) and field.default_factory is None:
            assert default == f"`{field.default}`"


def test_the_guide_explains_every_exit_code() -> None:
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "guide.md").read_text(), re.MULTILINE)
    assert [int(row) for row in rows] == list(EXIT_CODES)


def test_components_that_the_choices_name_are_there() -> None:
    text = (ROOT / "docs" / "choices.md").read_text()
    said = set(re.findall(r"`(\w+)` with `(\w+)", text))
    assert len(said) >= 10
    options = {
        name: {field for entry in found for field in entry.options.model_fields}
        for name, found in by_name().items()
    }
    assert {(name, key) for name, key in said if key not in options.get(name, set())} == set()


def by_name() -> dict[str, list]:
    found: dict[str, list] = {}
    for entry in registry().entries.values():
        found.setdefault(entry.name, []).append(entry)
    return found
