"""Recipes: scalars, places, merging, --set, leaving sides out, and writing them back."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers_cli import RECIPES
from helpers_registry import L1Options, fake_registry

from s2vkit.errors import RecipeError
from s2vkit.options import Options, Slot, StageOptions
from s2vkit.recipe.load import Loaded, dump_recipe, load_recipe, ordered_stages, recipe_from_data
from s2vkit.recipe.nodes import Source, plain
from s2vkit.recipe.report import Problems
from s2vkit.recipe.source import parse

GOOD = Path(__file__).parent / "recipes_bad" / "parents" / "good.yaml"


def load(folder: Path, text: str, *sets: str, name: str = "mine.yaml") -> Loaded:
    (folder / "good.yaml").write_text(GOOD.read_text(encoding="utf-8"), encoding="utf-8")
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return load_recipe(path, sets, fake_registry())


def child(folder: Path, text: str = "", *sets: str) -> Loaded:
    return load(folder, "extends: good.yaml\n" + text, *sets)


def read(text: str) -> Any:
    problems = Problems()
    node = parse(text, Source("text", lines=tuple(text.splitlines())), problems)
    problems.raise_any("text")
    assert node is not None
    return plain(node)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("3.0e-4", 3e-4),
        (".5", 0.5),
        ("1.", 1.0),
        ("-2.5E+3", -2500.0),
        ("+7", 7),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("true", True),
        ("FALSE", False),
        ("on", "on"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("y", "y"),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2021-08-30", "2021-08-30"),
        ("0b11", "0b11"),
        ("1e", "1e"),
        ("'1e-4'", "1e-4"),
        ('"true"', "true"),
        ("~", None),
        ("Null", None),
        ("=", "="),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = read(f"[{text}]")[0]
    assert found == value
    assert type(found) is type(value)


def test_aliases_share_a_value() -> None:
    assert read("a: &x {b: [1, 2]}\nc: *x\n") == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}


def test_blocks_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    text = "\ufeff# é\r\n" + GOOD.read_text(encoding="utf-8").replace("\n", "\r\n")
    path = tmp_path / "dos.yaml"
    path.write_bytes((text + "name: >\r\n  two\r\n  lines\r\n").encode())
    loaded = load_recipe(path, (), fake_registry())
    assert loaded.recipe.name == "two lines\n"
    assert loaded.origins["format"].line == 3


def test_every_slot_is_resolved_with_its_own_options(tmp_path: Path) -> None:
    recipe = child(tmp_path).recipe
    assert recipe.teachers["identity"] == Slot("teacher", "vggface", recipe.teachers["identity"].options)
    compose = recipe.stages["compose"].options
    assert isinstance(compose, StageOptions)
    assert compose.after == ["distill"]  # one word stands for a list of one
    assert compose.optimizers["sync"].use == "rmsprop"  # type: ignore[attr-defined]
    assert compose.optimizers["sync"].options.lr == 1e-5  # type: ignore[attr-defined]
    similarity = compose.losses.similarity  # type: ignore[attr-defined]
    assert similarity.options == L1Options(region="upper")
    assert list(recipe.teachers) == ["identity", "emotion"]


def test_origins_name_file_line_and_column(tmp_path: Path) -> None:
    loaded = child(tmp_path, "seed: 7\nteachers: {identity: {width: 0.5}}\n", "output=runs/b")
    at = {key: str(origin) for key, origin in loaded.origins.items()}
    assert at["seed"] == f"{tmp_path / 'mine.yaml'}:2:7"
    assert at["teachers.identity.width"] == f"{tmp_path / 'mine.yaml'}:3:30"
    assert at["teachers.identity.use"] == f"{tmp_path / 'good.yaml'}:7:19"
    assert at["generator.use"] == f"{tmp_path / 'good.yaml'}:12:12"
    assert at["output"] == "--set"
    assert at["cache"] == at["generator.channels"] == "default"


def test_mappings_merge_deeply_and_lists_are_replaced(tmp_path: Path) -> None:
    text = "stages:\n  distill: {optimizer: {lr: 1e-3}}\nstudents: {identity: {hidden: [8]}}\n"
    data = child(tmp_path, text).data
    moved = data["stages"]["distill"]["optimizer"]
    assert (moved["use"], moved["lr"], moved["alpha"]) == ("rmsprop", 1e-3, 0.99)
    assert data["stages"]["distill"]["losses"]["match"]["weight"] == 0.025
    assert data["students"]["identity"]["hidden"] == [8]
    assert list(data["stages"]) == ["distill", "compose", "evaluate"]


@pytest.mark.parametrize(
    ("over", "use", "width"),
    [
        ("{width: 0.5}", "vggface", 0.5),
        ("{use: vggface, checkpoint: a.pt}", "vggface", 1.0),
        ("vggface", "vggface", 1.0),  # the short form is a whole slot
        ("{use: senet50}", "senet50", 1.0),  # another part does not inherit
        ("senet50", "senet50", 1.0),
    ],
)
def test_a_slot_merges_unless_its_use_changes(tmp_path: Path, over: str, use: str, width: float) -> None:
    maps = "discriminators: {identity: null}\n"
    loaded = child(tmp_path, f"{maps}teachers: {{identity: {over}}}\n")
    found = loaded.data["teachers"]["identity"]
    assert (found["use"], found["width"]) == (use, width)


def test_the_short_form_of_a_parent_takes_options_of_a_child(tmp_path: Path) -> None:
    data = child(tmp_path, "generator: {channels: 16}\n").data
    assert data["generator"] == {"use": "frame_decoder", "channels": 16, "norm": "batch"}


def test_a_chain_of_parents_is_followed_from_folder_to_folder(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / "middle.yaml").write_text("extends: good.yaml\nseed: 5\nname: middle\n")
    loaded = load(tmp_path, "extends: ../middle.yaml\nname: mine\n", name="below/mine.yaml")
    assert (loaded.recipe.seed, loaded.recipe.name) == (5, "mine")
    assert loaded.origins["seed"].file.endswith("middle.yaml")


def test_null_deletes_keys_and_names(tmp_path: Path) -> None:
    text = "teachers: {identity: {width: null}}\ndiscriminators: {sync: null}\nstages: {evaluate: }\n"
    data = child(tmp_path, text).data
    assert data["teachers"]["identity"]["width"] == 1.0
    assert list(data["discriminators"]) == ["identity", "frame"]
    assert list(data["stages"]["compose"]["optimizers"]) == ["generator", "identity", "frame"]
    assert list(data["stages"]) == ["distill", "compose"]


def test_null_is_a_value_where_the_option_can_be_none(tmp_path: Path) -> None:
    text = "stages: {compose: {losses: {adversarial: {target: null}}}}\n"
    loaded = child(tmp_path, text)
    assert loaded.data["stages"]["compose"]["losses"]["adversarial"]["target"] is None
    again = load(tmp_path, dump_recipe(loaded), name="again.yaml")
    assert again.recipe == loaded.recipe


def test_set_lays_values_over_the_file(tmp_path: Path) -> None:
    loaded = child(
        tmp_path,
        "",
        "stages.distill.steps=5",
        "stages.distill.steps=6",
        "students.identity.hidden=[4, 2]",
        "teachers.emotion={use: senet50, width: .5}",
        "stages.compose.after=null",
        "discriminators.sync=null",
        "name='a: b'",
    )
    assert loaded.data["stages"]["distill"]["steps"] == 6
    assert loaded.data["students"]["identity"]["hidden"] == [4, 2]
    assert loaded.data["teachers"]["emotion"]["width"] == 0.5
    assert loaded.data["stages"]["compose"]["after"] == []
    assert "sync" not in loaded.data["stages"]["compose"]["optimizers"]
    assert loaded.recipe.name == "a: b"
    assert str(loaded.origins["stages.distill.steps"]) == "--set"
    assert str(loaded.origins["stages.distill.use"]).endswith("good.yaml:21:10")


def test_set_replaces_a_slot_by_a_word(tmp_path: Path) -> None:
    for text in ("stages.distill.optimizer={use: adam, lr: 1}", "students.emotion=mlp"):
        loaded = child(tmp_path, "", text)
    assert loaded.data["students"]["emotion"]["dropout"] == 0.0
    swapped = child(tmp_path, "", "discriminators.identity=patch", "teachers.identity.use=senet50")
    assert swapped.data["teachers"]["identity"]["width"] == 1.0


def test_a_side_without_a_teacher_is_left_out_with_its_student(tmp_path: Path) -> None:
    loaded = child(tmp_path, "teachers: {emotion: null}\n")
    assert list(loaded.recipe.students) == ["identity"]
    assert "emotion" not in loaded.data["students"]
    assert loaded.dropped == ["students.emotion is left out, because there is no teachers.emotion"]


def test_the_identity_side_takes_its_discriminator_with_it(tmp_path: Path) -> None:
    text = "teachers: {identity: null}\nstages: {compose: {weights: {identity: 2, frame: 3}}}\n"
    loaded = child(tmp_path, text)
    assert list(loaded.recipe.discriminators) == ["frame", "sync"]
    compose = loaded.data["stages"]["compose"]
    assert list(compose["optimizers"]) == ["generator", "frame", "sync"]
    assert compose["weights"] == {"frame": 3.0}
    assert [note.split()[0] for note in loaded.dropped] == ["students.identity", "discriminators.identity"]
    assert "discriminators.identity" not in loaded.origins
    assert load(tmp_path, dump_recipe(loaded), name="again.yaml").dropped == []


def test_a_teacher_with_a_checkpoint_needs_no_labels(tmp_path: Path) -> None:
    data = "data: {use: folder, path: clips}\n"
    loaded = child(tmp_path, data + "teachers: {emotion: {checkpoint: emotion.pt}}\n")
    assert loaded.data["data"]["path"] == "clips"
    with pytest.raises(RecipeError, match="dataset 'folder' has no 'emotion'"):
        child(tmp_path, data)


def test_stages_run_after_what_they_name_and_else_in_file_order(tmp_path: Path) -> None:
    text = "stages:\n  early: {use: evaluate, metrics: {}}\n"
    text += "  distill: {after: [late, early]}\n  late: {use: evaluate, metrics: {}}\n"
    recipe = child(tmp_path, text).recipe
    assert list(recipe.stages) == ["distill", "compose", "evaluate", "early", "late"]
    assert ordered_stages(recipe) == ["early", "late", "distill", "compose", "evaluate"]


def test_a_dump_loads_to_the_same_recipe(tmp_path: Path) -> None:
    loaded = child(tmp_path, "name: '1e-4'\n", "teachers.emotion=null")
    text = dump_recipe(loaded)
    again = load(tmp_path, text, name="again.yaml")
    assert again.recipe == loaded.recipe
    assert again.data == loaded.data
    assert dump_recipe(again) == dump_recipe(loaded.recipe) == text
    assert "&" not in text


def test_stored_data_gives_the_recipe_again(tmp_path: Path) -> None:
    loaded = child(tmp_path, "teachers: {emotion: null}\n")
    stored = json.loads(json.dumps(loaded.data))
    assert recipe_from_data(stored, fake_registry()) == loaded.recipe
    stored["teachers"]["identity"]["use"] = "vanished"
    with pytest.raises(RecipeError, match="the stored recipe: teachers"):
        recipe_from_data(stored, fake_registry())


@pytest.mark.parametrize(
    "word",
    [
        "1e-4",
        ".5",
        "0o17",
        "0x1F",
        "1.",
        "on",
        "no",
        "null",
        "~",
        "True",
        "2021-08-30",
        "=",
        "<<",
        "1_000",
        "12:30",
        "a: b",
        "# c",
        " pad ",
        "- x",
        "*a",
        "&a",
        "!t",
        "@",
        "`",
        "%",
        "a\tb",
        "é",
        "\U0001f642",
        "a\nb",
        "a\x85b",
        "a\u2028b",
        "'",
        '"',
        "[",
        "-",
        "?",
        "010",
        "+.inf",
        ".NaN",
    ],
)
def test_any_text_survives_a_dump(tmp_path: Path, word: str) -> None:
    loaded = child(tmp_path)
    recipe = loaded.recipe.model_copy(update={"name": word})
    assert load(tmp_path, dump_recipe(recipe), name="again.yaml").recipe == recipe


def test_any_number_survives_a_dump(tmp_path: Path) -> None:
    rng = random.Random(0)
    recipe = child(tmp_path).recipe
    for _ in range(20):
        number = rng.random() * 10.0 ** rng.randint(-300, 300)
        again = recipe.model_copy(update={"checkpoint_seconds": number})
        found = load(tmp_path, dump_recipe(again), name="again.yaml").recipe
        assert found.checkpoint_seconds == number


def test_a_dump_reads_the_same_in_yaml_1_1(tmp_path: Path) -> None:
    loaded = child(tmp_path, "name: 'on'\n")
    assert yaml.safe_load(dump_recipe(loaded)) == loaded.data


def test_broken_recipes_never_crash_the_loader(tmp_path: Path) -> None:
    rng = random.Random(1)
    text = GOOD.read_text(encoding="utf-8")
    refused = 0
    pieces = ["{", "}", "[", "]", ": ", "- ", "\n", "  ", "null", "1", "'", "use", "&a ", "*a", "?"]
    for _ in range(150):
        broken = text
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(broken))
            broken = broken[:at] + rng.choice(pieces) + broken[at + rng.randint(0, 8) :]
        try:
            load(tmp_path, broken)
        except RecipeError:
            refused += 1
    assert refused > 100


def test_a_parent_that_cannot_be_read_is_told_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("format: 1\nextends: ./\n")
    with pytest.raises(RecipeError, match=r"mine\.yaml:2:10: .* is a folder"):
        load_recipe(path, (), fake_registry())


def test_a_validator_that_crashes_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    class Crashing(Options):
        def model_post_init(self, context: Any) -> None:
            raise KeyError("oops")

    registry = fake_registry()
    entry = registry.entries["generator", "sketch"]
    registry.entries["generator", "sketch"] = type(entry)(
        "generator", "sketch", entry.target, Crashing, entry.owner, ("frames", "identity_maps")
    )
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: {GOOD}\ngenerator: sketch\n")
    with pytest.raises(RecipeError, match="generator: these options cannot be checked: KeyError"):
        load_recipe(path, (), registry)


def test_large_and_hostile_files_are_refused_soon(tmp_path: Path) -> None:
    begun = time.monotonic()
    for text in ("a: " + "x" * 300_000, "a: " + "[" * 100_000, "a: " + "{a: " * 20_000):
        with pytest.raises(RecipeError):
            load(tmp_path, text)
    assert time.monotonic() - begun < 10


def test_loading_a_recipe_imports_neither_torch_nor_rich() -> None:
    code = (
        "import sys; from helpers_registry import fake_registry;"
        "from s2vkit.recipe.load import load_recipe, dump_recipe;"
        f"dump_recipe(load_recipe({str(GOOD)!r}, [], fake_registry()));"
        "print(sorted({'torch', 'numpy', 'rich', 'av'} & {m.split('.')[0] for m in sys.modules}))"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_slot_that_repeats_its_word_starts_afresh(tmp_path: Path) -> None:
    """A parent's options of the same component must not leak in where `use` is written again."""
    text = (RECIPES / "cremad.yaml").read_text()
    assert "generator: {use: rmsprop, lr: 3.0e-4}" in text
    child = tmp_path / "child.yaml"
    child.write_text(f"extends: {RECIPES}/speech2video.yaml\ngenerator: {{width: 64}}\n")
    over = tmp_path / "over.yaml"
    over.write_text("extends: child.yaml\ngenerator: {use: frame_decoder, min_width: 24}\n")
    assert load_recipe(child).data["generator"]["width"] == 64
    assert load_recipe(over).data["generator"]["width"] == 256
    assert load_recipe(child, ["generator.use=frame_decoder"]).data["generator"]["width"] == 256
