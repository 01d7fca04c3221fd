"""Old words: each gets one error that names the new word, and nothing else is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers_cli import RECIPES, call
from helpers_registry import fake_registry

from s2vkit.errors import RecipeError
from s2vkit.options import Field, Options, SlotOf
from s2vkit.recipe import old_words
from s2vkit.recipe.check import Checker
from s2vkit.recipe.load import load_recipe
from s2vkit.recipe.messages import explain
from s2vkit.recipe.nodes import Item, Place, Scalar, Source
from s2vkit.recipe.report import Problems

PLACE = Place(Source("a recipe"))


def problems_of(recipe: str, tmp_path: Path) -> list[str]:
    path = tmp_path / "old.yaml"
    path.write_text(f"extends: {RECIPES}/speech2video.yaml\n{recipe}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    return [line for line in str(caught.value).splitlines() if line.startswith(str(tmp_path))]


def option_model(name: str) -> type[Options]:
    made = type("Made", (Options,), {"__annotations__": {name: int}, name: Field(description="required")})
    return made


@pytest.mark.parametrize("old", old_words.OLD_KEYS)
def test_an_old_key_is_one_error_naming_each_of_its_new_words(old):
    for new in old_words.OLD_KEYS[old]:
        key = new.partition(":")[0]
        problems = Problems()
        checker = Checker(fake_registry(), problems)
        checker.model(option_model(key), {old: Item(PLACE, Scalar(1, PLACE))}, ("part",), PLACE)
        assert [p.message for p in problems.found] == [f"the key '{old}' is now called '{new}'"]


@pytest.mark.parametrize("old", old_words.OLD_NAMES)
@pytest.mark.parametrize("value", ["null", "{steps: 3}"])
def test_an_old_name_is_one_error(old, value, tmp_path):
    mapping, new = old_words.OLD_NAMES[old]
    text = f"stages: {{evaluate: {{metrics: {{{old}: {value}}}}}}}" if mapping == "metrics" else ""
    problems = problems_of(text or f"{mapping}: {{{old}: {value}}}", tmp_path)
    assert len(problems) == 1
    assert f"'{old}' is now called '{new}'" in problems[0]


def test_an_old_label_and_an_old_stage_to_wait_for(tmp_path):
    (problem,) = problems_of("evaluators: {openness: timm}", tmp_path)
    assert "the name 'openness' is now called 'mouth_aperture'" in problem
    path = tmp_path / "waits.yaml"
    path.write_text(f"extends: {RECIPES}/speech2video.yaml\nstages: {{distill: {{after: [hear]}}}}\n")
    with pytest.raises(RecipeError, match="it is now called 'pretrain'"):
        load_recipe(path)


@pytest.mark.parametrize(("kind", "old"), old_words.OLD_COMPONENTS)
def test_an_old_component_is_one_error(kind, old):
    problems = Problems()
    checker = Checker(fake_registry(), problems)
    checker.slot(SlotOf(kind), Item(PLACE, Scalar(old, PLACE)), ("part",))
    new = old_words.OLD_COMPONENTS[kind, old]
    assert [p.message for p in problems.found] == [f"the {kind} '{old}' is now called '{new}'"]


@pytest.mark.parametrize("old", old_words.OLD_VALUES)
def test_an_old_value_is_one_error(old):
    new = old_words.OLD_VALUES[old]
    detail = {"type": "literal_error", "ctx": {"expected": f"'{new}' or 'other'"}, "loc": ("of",), "msg": ""}
    message, hint = explain([detail], Scalar(old, PLACE))  # type: ignore[list-item]
    assert (message, hint) == (f"the word '{old}' is now called '{new}'", f"write '{new}'")


def test_a_judge_is_an_evaluator_wherever_it_stood(tmp_path):
    text = "judges: {identity: timm}\nstages: {train_evaluators: {of: judge}}"
    problems = problems_of(text, tmp_path)
    assert len(problems) == 2
    assert "the key 'judges' is now called 'evaluators'" in problems[0]
    assert "the word 'judge' is now called 'evaluator'" in problems[1]


def test_old_words_of_the_command_line(capsys):
    for old, new in old_words.OLD_OPTIONS.items():
        called = call(capsys, "prepare", old, "0.5")
        assert called.code == 2
        assert f"it is now called '{new}'" in called.err
    for old, new in old_words.OLD_RECIPES.items():
        for given in (old, f"recipes/{old}.yaml"):
            assert f"it is now called '{new}'" in call(capsys, "validate", given).err


def test_no_old_key_is_a_key_of_the_component_that_has_the_new_one():
    from s2vkit.plugins import registry

    wrong = [
        f"{entry.kind} {entry.name}: {old} beside {new}"
        for entry in registry().of_kind()
        for old, news in old_words.OLD_KEYS.items()
        for new in news
        if {old, new.partition(":")[0]} <= set(entry.options.model_fields)
    ]
    assert wrong == []
