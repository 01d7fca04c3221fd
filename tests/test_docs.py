"""The documents agree with the code, and their examples run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import yaml
from helpers_cli import ROOT, call

from s2vkit.options import KINDS
from s2vkit.plugins import registry

DOCS = ROOT / "docs"
_EXAMPLE = re.compile(r"<!-- run -->\n```(\w+)\n(.*?)```", re.DOTALL)


def pages() -> list[Path]:
    return sorted([ROOT / "README.md", *DOCS.glob("*.md")])


def examples() -> list:
    return [
        pytest.param(language, text, id=f"{page.name}-{number}-{language}")
        for page in pages()
        for number, (language, text) in enumerate(_EXAMPLE.findall(page.read_text()))
    ]


def test_generated_pages_are_not_stale():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for path, text in generate.texts().items():
        assert path.read_text() == text, f"{path.name} is stale: run python docs/generate.py"


def test_there_are_examples():
    assert len(examples()) >= 3


@pytest.mark.parametrize(("language", "text"), examples())
def test_examples_run(language, text, tmp_path, monkeypatch, capsys):
    if language == "python":
        exec(compile(text, "example", "exec"), {"__name__": "example"})
    elif language == "yaml":
        recipe = tmp_path / "example.yaml"
        recipe.write_text(text.replace("recipes/", f"{ROOT / 'recipes'}/"))
        called = call(capsys, "validate", recipe)
        assert called.code == 0, called.err
    else:
        monkeypatch.chdir(tmp_path)
        run_console(text, capsys)


def run_console(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run each `$ s2vkit ...` here; each line under it must be among what it prints."""
    Path("recipes").symlink_to(ROOT / "recipes")
    for block in text.strip().removeprefix("$ ").split("\n$ "):
        command, *expected = block.splitlines()
        words = shlex.split(command, comments=True)
        assert words[0] == "s2vkit", command
        called = call(capsys, *words[1:])
        printed = (called.out + called.err).splitlines()
        assert [line for line in expected if line not in printed] == []


def test_the_guide_names_every_kind():
    guide = (DOCS / "plugins.md").read_text()
    assert [kind for kind in KINDS if f"| {kind}" not in guide] == []


def test_the_guide_names_every_word_our_components_use():
    guide = (DOCS / "plugins.md").read_text()
    words = {
        word
        for e in registry().of_kind()
        for word in (*e.gives, *e.wants)
        if e.owner.startswith("s2vkit ") and e.kind != "metric" and "." not in word
    }
    assert {word for word in words if f"`{word}`" not in guide} == set()


def test_yaml_in_the_documents_is_yaml():
    for page in pages():
        for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
            assert yaml.safe_load(text), page


def test_links_between_pages_lead_somewhere():
    for page in pages():
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_no_shell_takes_a_value_of_set_for_a_pattern():
    """zsh refuses `--set folders=[identity]` without quotes."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "recipes").rglob("*.yaml")]
    wrong = re.compile(r"--set [^'\"\s=]+=[^'\"\s]*[\[\]{}*?]")
    assert [f"{page.name}: {found[0]}" for page in pages for found in wrong.finditer(page.read_text())] == []
