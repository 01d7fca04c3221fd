"""Validation on generated clips: what it logs and keeps, what follows from it and what does not."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from helpers_toy import REGISTRY, done_when, load_toy, run_toy
from safetensors.torch import load_file
from test_engine import CPU, Set

from s2vkit.device import choose
from s2vkit.engine.callbacks.best import GeneratedValidation
from s2vkit.engine.log import read_log
from s2vkit.engine.process_group import ProcessGroup
from s2vkit.engine.stop import Stopped
from s2vkit.engine.trainer import Trainer
from s2vkit.errors import RecipeError
from s2vkit.options import Slot
from s2vkit.validation_options import ValidationOptions

pytestmark = pytest.mark.usefixtures("no_curves")

WATCH = "stages.compose.validation={every: 2, clips: 2, keep: 2, best: ssim, metrics: {ssim: ssim}}"
FIGURES = {1: 0.3, 2: 0.9, 3: 0.5, 4: 0.6, 5: 0.7, 6: 0.95}


def trainer(folder, *, since=None, better="up", figures=FIGURES, **options):
    """Return a trainer of the toy's generator, validated each step by made-up figures."""
    made = Set(folder, "stages.compose.steps=6", "stages.compose.samples=0", "stages.compose.average=0.5")
    stage = made.stages["compose"]
    metric = Slot("metric", "ssim", REGISTRY.get("metric", "ssim").options())
    validation = ValidationOptions(every=1, metrics={"ssim": metric}, best="ssim", **options)
    seen = []

    def measure(state):
        seen.append(state.step)
        return {"ssim": figures[state.step]}

    clips = Set.trainer(made, "compose").batches
    callback = GeneratedValidation(validation, better, measure, ProcessGroup())
    return seen, Trainer(
        stage,
        "compose",
        made.graph,
        clips,
        policy=CPU,
        seed=1,
        make_optimizer=made.builder.make,
        callbacks=[callback],
    )


def stopping_after(steps):
    """Return what asks to stop after so many steps."""
    left = iter(range(steps - 1))
    return lambda: next(left, None) is None


def best_of(folder):
    """Name the steps whose weights are kept, and what index.json says of them."""
    index = json.loads((folder / "best" / "index.json").read_text())
    return sorted(int(path.stem) for path in (folder / "best").glob("*.safetensors")), index


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """What training with `publish: best` leaves, and the steps it has validated."""
    folder = tmp_path_factory.mktemp("unbroken")
    seen, made = trainer(folder, publish="best", keep=2, figures={**FIGURES, 6: 0.1})
    made.run(folder / "stage")
    return folder / "stage", seen


def test_the_best_weights_are_kept_and_published(unbroken):
    folder, seen = unbroken
    assert seen == [1, 2, 3, 4, 5, 6]
    steps, index = best_of(folder)
    assert steps == [2, 5]
    assert index["kept"] == [{"step": 2, "figure": 0.9}, {"step": 5, "figure": 0.7}]
    published, best = (
        load_file(folder / "weights.safetensors"),
        load_file(folder / "best" / "0000002.safetensors"),
    )
    assert published.keys() == best.keys()
    assert all(torch.equal(published[name], best[name]) for name in best)
    second = load_file(folder / "best" / "0000005.safetensors")
    assert any(not torch.equal(second[name], best[name]) for name in best)


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_a_stage_that_was_stopped_keeps_and_publishes_the_same(tmp_path, unbroken, steps):
    how = {"publish": "best", "keep": 2, "figures": {**FIGURES, 6: 0.1}}
    _, made = trainer(tmp_path, **how)
    with pytest.raises(Stopped):
        made.run(tmp_path / "stage", stopped=stopping_after(steps))
    seen, again = trainer(tmp_path, **how)
    again.run(tmp_path / "stage")
    assert seen == list(range(steps + 1, 7))
    for name in ("weights.safetensors", "best/0000002.safetensors", "best/0000005.safetensors"):
        assert (tmp_path / "stage" / name).read_bytes() == (unbroken[0] / name).read_bytes()


def test_training_ends_after_its_patience_also_if_it_is_resumed(tmp_path):
    seen, made = trainer(tmp_path, patience=2)
    made.run(tmp_path / "stage")
    assert seen == [1, 2, 3, 4]
    assert best_of(tmp_path / "stage")[1]["ended_early"] == 4
    weights = (tmp_path / "stage" / "weights.safetensors").read_bytes()
    seen, made = trainer(tmp_path, patience=2)
    made.run(tmp_path / "stage")
    assert seen == []
    assert (tmp_path / "stage" / "weights.safetensors").read_bytes() == weights


@pytest.mark.parametrize(("better", "best"), [("down", 1), ("zero", 1), ("up", 6)])
def test_the_metric_says_which_way_is_better(tmp_path, better, best):
    _, made = trainer(tmp_path, better=better)
    made.run(tmp_path / "stage")
    assert best_of(tmp_path / "stage")[0] == [best]


def test_weights_from_after_a_checkpoint_are_forgotten_with_it(tmp_path):
    _, made = trainer(tmp_path)
    with pytest.raises(Stopped):
        made.run(tmp_path / "stage", stopped=stopping_after(3))
    (tmp_path / "stage" / "best" / "0000004.safetensors").write_bytes(b"of a killed process")
    _, made = trainer(tmp_path)
    with pytest.raises(Stopped):
        made.run(tmp_path / "stage", stopped=stopping_after(1))
    assert best_of(tmp_path / "stage")[0] == [2]


# In a run


@pytest.fixture(scope="module")
def composed(tmp_path_factory, no_curves):
    """A run to its composition, not validated."""
    folder = tmp_path_factory.mktemp("composed")
    run_toy(folder, stages=["compose", "train_evaluators"], quiet=True)
    return folder


def test_what_only_watches_changes_no_weight_and_no_stage(composed, tmp_path):
    shutil.copytree(composed / "cache", tmp_path / "cache")
    shutil.copytree(composed / "run", tmp_path / "run")
    before = done_when(tmp_path)
    run_toy(tmp_path, WATCH, stages=["compose"], quiet=True)
    assert done_when(tmp_path) == before
    stage = tmp_path / "run" / "stages" / "compose"
    shutil.rmtree(stage)
    run_toy(tmp_path, WATCH, stages=["compose"], quiet=True)
    theirs = composed / "run" / "stages" / "compose" / "weights.safetensors"
    assert (stage / "weights.safetensors").read_bytes() == theirs.read_bytes()
    logged = {line["step"]: line["val.ssim"] for line in read_log(stage / "log.jsonl") if "val.ssim" in line}
    assert list(logged) == [2, 4]
    steps, index = best_of(stage)
    assert steps == [2, 4]
    assert {one["step"]: pytest.approx(one["figure"], rel=1e-5) for one in index["kept"]} == logged
    weights = load_file(stage / "weights.safetensors")
    last = load_file(stage / "best" / "0000004.safetensors")
    assert all(torch.equal(weights[name], last[name]) for name in weights)


def plan_of(folder, *sets):
    """Return the steps of the plan by name."""
    from s2vkit.build import Builder, data_spec_of
    from s2vkit.runs.plan import Plan

    loaded = load_toy(folder, *sets)
    builder = Builder(loaded.recipe, REGISTRY)
    graph = builder.graph(data_spec_of(builder.dataset()))
    stages = builder.stages(graph, torch.device("cpu"))
    plan = Plan(loaded.recipe, REGISTRY, graph, stages, folder, choose(loaded.recipe.compute))
    return {step.name: step for step in plan.steps}


def test_what_decides_is_part_of_the_identity_and_waits_for_its_evaluators(tmp_path):
    plain, watched = plan_of(tmp_path)["compose"], plan_of(tmp_path, WATCH)["compose"]
    assert plain.identity == watched.identity
    mouth = "metrics={mouth: mouth_aperture_correlation}"
    sets = [
        WATCH.replace("metrics: {ssim: ssim}", mouth.replace("=", ": ")).replace("best: ssim", "best: mouth")
    ]
    assert plan_of(tmp_path, *sets)["compose"].identity == plain.identity
    assert "train_evaluators" in plan_of(tmp_path, *sets)["compose"].before
    known = {plain.identity}
    for more in ("publish: best", "patience: 3"):
        sets = [WATCH.replace("every: 2", f"every: 2, {more}")]
        for steps in ("", "stages.train_evaluators.steps=5"):
            known.add(plan_of(tmp_path, *sets, *[steps] * bool(steps))["compose"].identity)
    assert len(known) == 3  # SSIM asks no evaluator


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ("{every: 2}", "there are no metrics to measure"),
        ("{every: 2, metrics: {ssim: ssim}, best: psnr}", "names none of its metrics"),
        ("{metrics: {ssim: ssim}, publish: best}", "need `every`, and `best` to name a metric"),
    ],
)
def test_what_does_not_go_together_is_reported(tmp_path, validation, message):
    with pytest.raises(RecipeError, match=message):
        load_toy(tmp_path, f"stages.compose.validation={validation}")


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (
            ["{every: 9, metrics: {ssim: ssim}, best: ssim, publish: best}"],
            "none of its 4 steps is validated",
        ),
        (["{every: 2, metrics: {p: face_retrieval}}"], "measures no generated clips"),
        (
            [
                "{every: 2, metrics: {m: mouth_aperture_correlation}}",
                "stages.train_evaluators.after=[compose]",
            ],
            "uses evaluator.mouth_aperture, which no stage before 'compose' trains",
        ),
    ],
)
def test_what_cannot_measure_is_reported_before_training(tmp_path, sets, message):
    with pytest.raises(RecipeError, match=message):
        plan_of(tmp_path, f"stages.compose.validation={sets[0]}", *sets[1:])
