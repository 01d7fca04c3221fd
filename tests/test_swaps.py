"""One word of a recipe swaps a part; only what depends on it is done again."""

from __future__ import annotations

import math

import pytest
from helpers_toy import done_when, load_toy, metrics, results, run_toy
from safetensors.torch import load_file

from s2vkit.files import read_json

KEPT = ["distill", "pretrain_mouth", "pretrain_sync", "train_evaluators", "train_teachers"]


pytestmark = pytest.mark.usefixtures("no_curves")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder whose cache and first stages all swaps share, as a user's would."""
    return tmp_path_factory.mktemp("swaps")


def check_metrics(found):
    assert len(found) == 8
    for name, score in found.items():
        assert isinstance(score["value"], float), name
        assert math.isfinite(score["value"]), name
        assert score["n"] > 0, name


SWAPS = {
    "identity teacher": ("teachers.identity=senet50",),
    "adversarial loss": ("stages.compose.losses.adversarial=hinge",),
    "replaced discriminator": ("discriminators.frame=speech_sync",),
    "no emotion": ("teachers.emotion=null",),
    "no identity": ("teachers.identity=null",),
    "no teachers": ("teachers.identity=null", "teachers.emotion=null"),
    "no identity discriminator": ("discriminators.identity=null",),
    "no frame discriminator": ("discriminators.frame=null",),
    "no sync discriminator": ("discriminators.sync=null",),
    "no discriminator": tuple(f"discriminators.{n}=null" for n in ("identity", "frame", "sync")),
    "another rate": ("data.rate=22050",),
}


@pytest.mark.parametrize("name", SWAPS)
def test_one_word_swaps_a_part(home, name):
    said = run_toy(home, *SWAPS[name], stages=["evaluate"], quiet=name != "no identity")
    check_metrics(metrics(home))
    if name.startswith("no "):
        lost = [
            f"discriminator.{n}"
            for n in ("identity", "frame", "sync")
            if f"discriminators.{n}=null" in SWAPS[name]
        ]
        log = (home / "run" / "stages" / "compose" / "log.jsonl").read_text()
        assert not any(f"D.{part.split('.')[1]}" in log for part in lost)
    if name == "no identity":
        assert "students.identity is left out" in said
        assert "discriminators.identity is left out" in said


def test_a_trained_encoder_fits_in(home):
    """The swap back from logmel to what the paper hears with."""
    more = """
audio_encoder: {use: cpc, channels: 16}
stages:
  pretrain: {use: contrastive, steps: 3, batch: 2, negatives: 4, window: 0.4, predictions: 4,
         predictor: linear, optimizer: {use: adam, lr: 1.0e-3}}
  distill: {after: [pretrain, train_teachers]}
"""
    run_toy(home, more=(more,), stages=["evaluate"])
    check_metrics(metrics(home))
    assert set(done_when(home)) >= {"pretrain", "distill", "compose", "evaluate"}


def test_a_second_discriminator_reruns_only_what_depends_on_it(tmp_path):
    run_toy(tmp_path)
    first, untouched = done_when(tmp_path), results(tmp_path)
    run_toy(tmp_path)
    assert done_when(tmp_path) == first  # nothing changed, nothing done
    assert results(tmp_path) == untouched

    more = """
discriminators: {other: {use: patch, channels: 4, layers: 2}}
stages: {compose: {optimizers: {other: {use: adam, lr: 1.0e-4}}}}
"""
    said = run_toy(tmp_path, more=(more,), quiet=False)
    second = done_when(tmp_path)
    assert {n for n in first if second[n] == first[n]} == set(KEPT)
    assert said.count("changed, so again") == 2
    assert '"D.other"' in (tmp_path / "run" / "stages" / "compose" / "log.jsonl").read_text()
    assert results(tmp_path) != untouched

    run_toy(tmp_path)  # and back: the same figures as at first
    third = done_when(tmp_path)
    assert {n for n in first if third[n] == first[n]} == set(KEPT)
    assert results(tmp_path) == untouched


def test_another_seed_does_everything_again(tmp_path):
    run_toy(tmp_path, stages=["evaluate"])
    first, caches = done_when(tmp_path), {p.name for p in (tmp_path / "cache").iterdir()}
    weights = (tmp_path / "run" / "stages" / "compose" / "weights.safetensors").read_bytes()
    run_toy(tmp_path, "seed=2", stages=["evaluate"])
    second = done_when(tmp_path)
    assert all(second[name] > first[name] for name in first)
    assert {p.name for p in (tmp_path / "cache").iterdir()} > caches
    again = tmp_path / "run" / "stages" / "compose" / "weights.safetensors"
    assert again.read_bytes() != weights


def test_only_the_named_stages_run(tmp_path):
    run_toy(tmp_path, stages=["distill"])
    assert set(done_when(tmp_path)) == {"train_teachers", "distill"}
    assert not (tmp_path / "run" / "model").exists()


def test_a_dry_run_leaves_nothing(tmp_path):
    said = run_toy(tmp_path, dry=True)
    assert "4 steps of generator, discriminator.identity" in said
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()


def test_no_teacher_is_in_any_model_or_checkpoint_of_compose(home):
    """Whoever teaches, the model has the same parts, and none of a teacher's or evaluator's."""
    for teacher in ("vggface", "senet50"):
        run_toy(home, f"teachers.identity={teacher}")
        run = home / "run"
        parts = {
            file: {key.split("/")[0] for key in load_file(run / file)}
            for file in ("model/model.safetensors", "stages/compose/weights.safetensors")
        }
        assert parts["model/model.safetensors"] <= {
            "encoder",
            "generator",
            "student.identity",
            "student.emotion",
            "code.identity",  # the mean codes of names, of what students give
            "code.emotion",
        }
        held = load_file(run / "stages" / "compose" / "checkpoint" / "tensors.safetensors")
        names = {key.split("/")[1] for key in held}
        assert names - {"average.generator"} == parts["stages/compose/weights.safetensors"]
        assert not any(n.startswith(("teacher", "train_evaluators", "student", "encoder")) for n in names)
        state = read_json(run / "stages" / "compose" / "checkpoint" / "state.json")
        assert set(state["optimizers"]) == names - {"average.generator"}


def test_the_recipe_of_a_run_is_kept_whole(home, tmp_path):
    run_toy(home, stages=["train_teachers"])
    kept = (home / "run" / "recipe.yaml").read_text()
    assert "use: vggface" in kept
    assert load_toy(tmp_path).data["teachers"]["identity"]["use"] == "vggface"
