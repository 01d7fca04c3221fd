"""The engine's parts: the loop, who moves in it, the plan, the checks before a run, the log."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers_toy import REGISTRY, load_toy, metrics, run_toy
from rich.console import Console
from torch import nn

from s2vkit.build import Builder, data_spec_of, describe_graphs
from s2vkit.data.store import ClipStore
from s2vkit.device import choose
from s2vkit.engine.callbacks.logging import Logging, Progress
from s2vkit.engine.callbacks.monitor import Monitor
from s2vkit.engine.log import Log, read_log
from s2vkit.engine.preflight import check_splits, make_up, time_load, time_stages
from s2vkit.engine.trainer import Trainer
from s2vkit.engine.view import View
from s2vkit.errors import InputError, RecipeError, ResourceError, TrainingError
from s2vkit.files import read_lines
from s2vkit.registry import Entry
from s2vkit.rendering.held_out import pick_clips
from s2vkit.report.curves import draw_curves
from s2vkit.runs.plan import Plan
from s2vkit.settings import Compute

CPU = choose(Compute(device="cpu", precision="fp32", threads=1))

pytestmark = pytest.mark.usefixtures("no_curves")


class Set:
    """A recipe, built: what a test of the loop needs."""

    def __init__(self, folder, *sets):
        self.recipe = load_toy(folder, *sets).recipe
        self.builder = Builder(self.recipe, REGISTRY)
        self.graph = self.builder.graph(data_spec_of(self.builder.dataset()))
        self.stages = self.builder.stages(self.graph, torch.device("cpu"))

    def trainer(self, name, policy=CPU, show=lambda *at: None, **how):
        stage = self.stages[name]
        clips = make_up(stage, self.graph, policy.device)
        callbacks = [Logging(), Progress(show), Monitor(stage.thresholds(), lambda text: None)]
        return Trainer(
            stage,
            name,
            self.graph,
            lambda step: clips,
            policy=policy,
            seed=1,
            make_optimizer=self.builder.make,
            callbacks=callbacks,
            **how,
        )


def copy(modules):
    return {n: {k: v.clone() for k, v in m.state_dict().items()} for n, m in modules.items()}


def moved(modules, before):
    """Name the modules of which a parameter (not a running mean) has changed."""
    return {
        name
        for name, module in modules.items()
        for key, value in module.named_parameters()
        if not torch.equal(value, before[name][key])
    }


def with_grad(modules):
    return {n for n, m in modules.items() if any(p.grad is not None for p in m.parameters())}


# Who moves


def test_each_phase_updates_only_its_own_side(tmp_path, monkeypatch):
    made = Set(tmp_path)
    modules, stage = made.graph.modules(), made.stages["compose"]
    discriminators = {f"discriminator.{n}" for n in ("identity", "frame", "sync")}
    trainer, seen = made.trainer("compose"), []
    zero, update, state = trainer.optimization.zero, trainer.optimization.update, {}

    def zeroing(names):
        for module in modules.values():
            module.zero_grad(set_to_none=True)
        state["before"] = copy(modules)
        zero(names)

    def updating(names, step):
        reached = with_grad(modules)
        figures = update(names, step)
        seen.append((set(names), reached, moved(modules, state["before"])))
        return figures

    monkeypatch.setattr(trainer.optimization, "zero", zeroing)
    monkeypatch.setattr(trainer.optimization, "update", updating)
    frozen = copy({n: m for n, m in modules.items() if n not in {"generator", *discriminators}})
    for step in range(2):
        trainer.step(step)
    assert seen == [(discriminators,) * 3, ({"generator"},) * 3] * 2
    assert [p.name for p in stage.phases()] == ["discriminators", "generator"]
    for name, tensors in frozen.items():  # running means too
        assert all(torch.equal(v, modules[name].state_dict()[k]) for k, v in tensors.items()), name


def test_the_discriminators_get_generated_frames_without_their_history(tmp_path):
    made = Set(tmp_path)
    trainer = made.trainer("compose")
    clips = trainer.batches(0)
    shared = made.stages["compose"].shared_forward(clips)
    assert shared.generated.frames.requires_grad
    losses = made.stages["compose"].discriminator_loss(clips, shared)
    total = sum(losses.values())
    shared.generated.frames.retain_grad()
    total.backward()
    assert shared.generated.frames.grad is None
    assert with_grad(made.graph.modules()) == {f"discriminator.{n}" for n in made.graph.discriminators}


@pytest.mark.parametrize(
    ("stage", "trains"),
    [
        ("train_teachers", {"teacher.identity", "teacher.emotion"}),
        ("train_evaluators", {"evaluator.identity", "evaluator.emotion", "evaluator.mouth_aperture"}),
        ("distill", {"student.identity", "student.emotion"}),
    ],
)
def test_a_stage_moves_only_what_it_trains(tmp_path, stage, trains):
    made = Set(tmp_path)
    modules = made.graph.modules()
    before, trainer = copy(modules), made.trainer(stage)
    trainer.step(0)
    assert moved(modules, before) == trains
    training = {n for n, m in modules.items() if m.training}
    assert training == trains


def test_one_seed_gives_one_result_and_another_another(tmp_path):
    weights = []
    for seed in (1, 1, 2):
        made = Set(tmp_path, f"seed={seed}")
        made.trainer("compose").step(0)
        weights.append(copy({"g": made.graph.generator})["g"])
    one, two, other = weights
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


def test_parts_do_not_share_their_first_weights(tmp_path):
    """A part's start depends on its name and the seed alone, not on what else is built."""
    whole = Set(tmp_path).graph
    less = Set(tmp_path, "discriminators.identity=null", "teachers.emotion=null").graph
    for name in ("discriminator.frame", "teacher.identity", "evaluator.emotion"):
        for a, b in zip(whole.modules()[name].parameters(), less.modules()[name].parameters(), strict=True):
            assert torch.equal(a, b), name
    first, second = (whole.evaluators[n].state_dict() for n in ("identity", "emotion"))
    assert any(not torch.equal(first[k], second[k]) for k in first if k.endswith("weight"))


# The loop


class Wild(nn.Module):
    """A loss that is a number for three steps."""

    def __init__(self, options):
        super().__init__()
        self.calls = 0

    def forward(self, made, true):
        self.calls += 1
        return made.square().mean() * (1.0 if self.calls <= 3 else float("nan"))


class Cliff(nn.Module):
    """A loss that stays a number while its gradient is none."""

    def __init__(self, options):
        super().__init__()

    def forward(self, made, true):
        return (made - made.detach()).abs().sum().sqrt()  # its slope at 0 has no value


def wild(monkeypatch, loss):
    slot = REGISTRY.get("loss", "normalized_l2")
    entry = Entry("loss", "normalized_l2", f"{__name__}:{loss}", slot.options, "tests", slot.gives)
    monkeypatch.setitem(REGISTRY.entries, ("loss", "normalized_l2"), entry)
    monkeypatch.setattr(Entry, "load", _load_here(Entry.load))


def _load_here(load):
    def loading(self):
        return globals()[self.target.split(":")[1]] if self.owner == "tests" else load(self)

    return loading


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    wild(monkeypatch, "Wild")
    made = Set(tmp_path, "teachers.emotion=null")
    with pytest.raises(TrainingError) as caught:
        made.trainer("distill").run(tmp_path / "stage", save_seconds=1e-6)
    assert caught.value.exit_code == 7
    assert "stage 'distill', step 4: identity.match is no longer a number" in str(caught.value)
    assert "the last good checkpoint is kept" in str(caught.value)
    state = json.loads((tmp_path / "stage" / "checkpoint" / "state.json").read_text())
    assert state["step"] == 3
    assert not (tmp_path / "stage" / "weights.safetensors").exists()
    assert [line["step"] for line in read_log(tmp_path / "stage" / "log.jsonl")] == [1, 2, 3]


def test_weights_that_are_no_numbers_are_never_saved(tmp_path, monkeypatch):
    wild(monkeypatch, "Cliff")
    made = Set(tmp_path, "teachers.emotion=null", "stages.distill.steps=1")
    with pytest.raises(TrainingError, match=r"step 1: student.identity is no longer a number"):
        made.trainer("distill").run(tmp_path / "stage", save_seconds=1e-6)
    assert not (tmp_path / "stage" / "checkpoint").exists()
    assert not (tmp_path / "stage" / "weights.safetensors").exists()


def test_a_stopped_stage_goes_on_to_the_same_weights(tmp_path):
    straight = Set(tmp_path)
    straight.trainer("compose").run(tmp_path / "straight", save_seconds=1e9)
    for stop_after in (1, 0):
        made, steps = Set(tmp_path), []
        trainer = made.trainer("compose", show=lambda *at, s=steps: s.append(at))
        with pytest.raises(KeyboardInterrupt):
            trainer.run(tmp_path / "stopped", stopped=lambda s=steps, n=stop_after: len(s) >= n)
    made = Set(tmp_path)
    made.trainer("compose").run(tmp_path / "stopped", save_seconds=1e9)
    one, two = (tmp_path / n / "weights.safetensors" for n in ("straight", "stopped"))
    assert one.read_bytes() == two.read_bytes()
    lines = [read_log(tmp_path / n / "log.jsonl") for n in ("straight", "stopped")]
    for a, b in zip(*lines, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    assert [line["seconds"] for line in lines[1]] == sorted(line["seconds"] for line in lines[1])


def test_the_log_forgets_what_came_after_a_checkpoint(tmp_path):
    path = tmp_path / "log.jsonl"
    with Log(path, since=0) as log:
        for step in range(1, 6):
            log.write(step, {"loss": 1 / step})
    path.write_text(path.read_text() + '{"step": 6, "lo')
    with Log(path, since=3) as log:
        log.write(4, {"loss": 9.0})
    assert [(line["step"], line["loss"]) for line in read_log(path)] == [
        (1, 1.0),
        (2, 0.5),
        (3, 0.333333),
        (4, 9.0),
    ]


# Precision and place


def test_the_policy_follows_the_recipe():
    assert CPU.precision == "fp32"
    assert not CPU.channels_last
    assert not CPU.compile
    assert str(CPU) == "cpu (fp32)"
    told = choose(
        Compute(device="cpu", precision="bf16", channels_last="always", compile="always", threads=1)
    )
    assert str(told) == "cpu (bf16, channels_last, compiled)"
    with told.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with CPU.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    assert choose(Compute(device="cpu", threads=1)).precision == "fp32"
    conv = told.place(nn.Conv2d(2, 4, 3))
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)
    choose(Compute(device="cpu", threads=1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_told():
    with pytest.raises(ResourceError, match="finds no CUDA device"):
        choose(Compute(device="cuda"))


def test_a_bf16_step_keeps_weights_and_losses_in_fp32(tmp_path):
    made = Set(tmp_path)
    policy = choose(Compute(device="cpu", precision="bf16", threads=1))
    figures = made.trainer("compose", policy).step(0)
    assert all(np.isfinite(float(v)) for v in figures.values())
    assert {p.dtype for p in made.graph.generator.parameters()} == {torch.float32}


# The checks before a run


def test_parts_that_do_not_fit_are_found_before_anything_runs(tmp_path, monkeypatch):
    from s2vkit_composer.decoder import FrameDecoder

    draw = FrameDecoder.forward

    def cut(self, codes):
        made = draw(self, codes)
        made.frames = made.frames[..., :-1]
        return made

    monkeypatch.setattr(FrameDecoder, "forward", cut)
    with pytest.raises(RecipeError, match="stage 'compose' cannot do one step on fake data"):
        run_toy(tmp_path, quiet=False)
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "run" / "stages").exists()


def test_a_step_that_does_not_fit_into_memory_is_told(tmp_path, monkeypatch):
    made = Set(tmp_path)
    stage = made.stages["distill"]

    def hungry(*args):
        torch.empty(2**48)

    monkeypatch.setattr(stage, "loss", hungry)
    with pytest.raises(ResourceError, match=r"stage 'distill': a step of 4 clips does not fit"):
        time_stages({"distill": stage}, made.builder, made.graph, CPU)


def test_a_precision_that_the_processor_lacks_is_one_plain_error(tmp_path, monkeypatch):
    made = Set(tmp_path)
    stage = made.stages["distill"]

    def lacking(*args):
        raise RuntimeError("could not create a primitive descriptor for an LSTM")

    monkeypatch.setattr(stage, "loss", lacking)
    with pytest.raises(RecipeError, match="cannot do one step in bf16 on cpu: could not create") as caught:
        time_stages({"distill": stage}, made.builder, made.graph, replace(CPU, precision="bf16"))
    assert "compute.precision" in caught.value.hint


def test_splits_that_are_missing_are_told_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match="no clip in split 'test', which stage 'evaluate' needs"):
        run_toy(tmp_path, "data.split=no_test")
    made = Set(tmp_path)
    clips = [c for c in made.builder.dataset().clips() if c.split != "train"]
    with pytest.raises(InputError, match="no clip in split 'train', which stage 'train_teachers' needs"):
        check_splits(clips, made.stages)


def test_bad_first_clips_do_not_stop_the_estimate(tmp_path):
    made = Set(tmp_path, "data.bad=[0]", "data.pause=0.01")
    assert time_load(made.builder.dataset()) >= 0.01


# The plan


def results_in(folder, *sets):
    made = Set(folder, *sets)
    plan = Plan(made.recipe, REGISTRY, made.graph, made.stages, folder / "run", choose(made.recipe.compute))
    return {step.name: step.result for step in plan.steps}


EVERYTHING = {
    "train_teachers",
    "train_evaluators",
    "distill",
    "pretrain_sync",
    "pretrain_mouth",
    "compose",
    "evaluate",
}


@pytest.mark.parametrize(
    ("change", "reruns"),
    [
        ("discriminators.frame.channels=8", {"compose", "evaluate"}),
        ("stages.compose.losses.adversarial=hinge", {"compose", "evaluate"}),
        ("generator.width=32", {"pretrain_mouth", "compose", "evaluate"}),
        ("stages.pretrain_mouth.steps=3", {"pretrain_mouth", "compose", "evaluate"}),
        ("students.identity.hidden=[8]", {"distill", "compose", "evaluate"}),
        ("teachers.emotion.width=0.125", {"train_teachers", "distill", "compose", "evaluate"}),
        ("evaluators.identity.input_size=48", {"train_evaluators", "evaluate"}),
        ("stages.evaluate.clips=1", {"evaluate"}),
        (
            "stages.evaluate.cached_frames={emotion: 9}",
            {"evaluate"},
        ),  # no stage's result depends on another's
        ("alignment.shift=0.1", {"distill", "pretrain_mouth", "compose", "evaluate"}),
        ("audio_encoder.n_mels=40", {"distill", "pretrain_mouth", "compose", "evaluate"}),
        ("data.sentences=3", EVERYTHING),
        ("seed=9", EVERYTHING),
        ("compute.workers=3", set()),
        ("compute.threads=2", set()),
        ("stages.compose.samples=2", set()),
        ("stages.distill.validate_every=1", set()),
        ("stages.compose.collapse.action=ignore", set()),
        ("stages.compose.collapse.steps=7", set()),
        ("stages.distill.segments=1", {"distill", "compose", "evaluate"}),
        ("stages.distill.cached_frames={emotion: 8}", {"distill", "compose", "evaluate"}),
        ("stages.distill.steps=7", {"distill", "compose", "evaluate"}),
        ("stages.distill.optimizer.lr=0.5", {"distill", "compose", "evaluate"}),
        ("compute.precision=bf16", EVERYTHING),
        ("checkpoint_seconds=5", set()),
        ("name=other", set()),
    ],
)
def test_a_change_touches_what_depends_on_it(tmp_path, change, reruns):
    before, after = results_in(tmp_path), results_in(tmp_path, change)
    assert {name for name in before if before[name] != after[name]} == reruns


def test_the_version_of_a_plugin_counts(tmp_path, monkeypatch):
    from dataclasses import replace

    before = results_in(tmp_path)
    entry = replace(REGISTRY.get("discriminator", "patch"), owner="s2vkit 99 (composer)")
    monkeypatch.setitem(REGISTRY.entries, ("discriminator", "patch"), entry)
    after = results_in(tmp_path)
    assert {n for n in before if before[n] != after[n]} == {"compose", "evaluate"}


# What a run shows


def test_set_aside_clips_are_told_and_a_run_goes_on_without_them(tmp_path):
    said = run_toy(tmp_path, "data.bad=[1, 5]", stages=["train_teachers"])
    assert "rejected: s0_0_1: clip 1 has no face" in said
    assert "rejected: s0_1_1: clip 5 has no face" in said


def test_a_truth_that_some_clips_lack_is_kept_for_the_others_and_said(tmp_path):
    said = run_toy(tmp_path, "data.truthless=[0, 2, 3]", stages=["evaluate"])
    assert "3 of 16 clips have no 'mouth_aperture'" in " ".join(said.split())
    store = ClipStore(next((tmp_path / "cache").glob("corpus-*")))
    assert [i for i in range(16) if not store.truth(i)] == [0, 2, 3]
    assert metrics(tmp_path)["mouth_aperture_correlation"]["n"] == 3  # of four clips of the split test
    log = read_lines(tmp_path / "run" / "stages" / "train_evaluators" / "log.jsonl")
    assert all(np.isfinite(line["mouth_aperture"]) for line in log)


def test_a_run_without_held_out_clips_labels_or_evaluators_still_shows_itself(tmp_path):
    more = """
evaluators: {identity: null, emotion: null, mouth_aperture: null}
stages: {train_evaluators: null, evaluate: null}
"""
    run_toy(tmp_path, "data.split=no_test", "data.labelled=false", "data.pause=0", more=(more,))
    run = tmp_path / "run"
    assert (run / "report.html").stat().st_size > 0
    assert (run / "samples" / "held_out.png").exists()
    assert len(list((run / "videos").glob("*.mp4"))) == 2
    assert not (run / "metrics.json").exists()


def test_a_metric_without_a_figure_is_written_as_null(tmp_path):
    run_toy(tmp_path, "data.labelled=false", stages=["evaluate"])
    text = (tmp_path / "run" / "metrics.json").read_text()
    assert "NaN" not in text
    assert metrics(tmp_path)["emotion_accuracy"]["value"] is None
    assert metrics(tmp_path)["identity_accuracy"]["n"] == 4


def test_a_whole_run_leaves_curves_and_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr("s2vkit.rendering.held_out.draw_curves", draw_curves)
    run_toy(tmp_path)
    run = tmp_path / "run"
    assert {p.stem for p in (run / "curves").glob("*.png")} == {
        "train_teachers",
        "train_evaluators",
        "distill",
        "pretrain_sync",
        "pretrain_mouth",
        "compose",
    }
    page = (run / "report.html").read_text()
    assert "psnr" in page
    assert {p.name for p in run.iterdir()} >= {"model", "videos", "samples", "recipe.yaml"}


def test_pictures_are_of_every_speaker(tmp_path):
    run_toy(tmp_path, stages=["train_teachers"])
    store = ClipStore(next((tmp_path / "cache").glob("corpus-*")))
    chosen = pick_clips(store)
    assert {store.clips[i].labels["identity"] for i in chosen} == {"s0", "s1"}
    assert {store.clips[i].split for i in chosen} == {"test"}
    assert len({store.clips[i].labels["emotion"] for i in chosen}) == 2


def test_both_graphs_are_described(tmp_path):
    rows = describe_graphs(load_toy(tmp_path).recipe, REGISTRY)
    parts = {g: [r["part"] for r in rows if r["graph"] == g] for g in ("training", "inference")}
    assert parts["inference"] == ["encoder", "generator", "student.identity", "student.emotion"]
    assert set(parts["inference"]) < set(parts["training"])


def test_progress_that_nothing_began_says_no_time_left():
    shown = io.StringIO()
    View(Console(file=shown)).advance(1, 24)
    assert "1/24" in shown.getvalue()
    assert "left" not in shown.getvalue()
