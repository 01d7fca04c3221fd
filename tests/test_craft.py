"""The craft of training: schedules, accumulation, early warnings, runs of frames."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from helpers_toy import run_toy
from test_data import drawer
from test_engine import Set, copy

from s2vkit.data.store import ClipStore
from s2vkit.engine.callbacks.monitor import Monitor
from s2vkit.engine.finite import suspects
from s2vkit.engine.schedule import share
from s2vkit.errors import TrainingError
from s2vkit.interfaces.batch import Batch, neighbours
from s2vkit.interfaces.callback import TrainingState
from s2vkit.interfaces.stage import Threshold
from s2vkit.options import OptimizerOptions

pytestmark = pytest.mark.usefixtures("no_curves")


# Schedules


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 1, 1, 1, 1]),
        ({"warmup": 3}, [0.25, 0.5, 0.75, 1, 1]),
        ({"schedule": "linear"}, [1, 0.75, 0.5, 0.25, 0]),
        ({"schedule": "linear", "final": 0.2}, [1, 0.8, 0.6, 0.4, 0.2]),
        ({"schedule": "cosine"}, [0.5 * (1 + math.cos(math.pi * i / 4)) for i in range(5)]),
        ({"schedule": "step", "every": 2, "decay": 0.1}, [1, 1, 0.1, 0.1, 0.01]),
        ({"schedule": "cosine", "warmup": 2}, [1 / 3, 2 / 3, 1, 0.5, 0]),
    ],
)
def test_the_learning_rate_by_step(options, expected):
    chosen = OptimizerOptions(lr=1.0, **options)
    assert [share(chosen, step, 5) for step in range(5)] == pytest.approx(expected)


def test_each_part_follows_its_own_schedule(tmp_path):
    sets = ["generator.schedule=cosine", "generator.lr=0.1", "frame.warmup=9", "frame.lr=0.1"]
    sets += ["generator.warmup=0", "generator.final=0"]
    made = Set(tmp_path, *(f"stages.compose.optimizers.{s}" for s in sets))
    trainer, rates = made.trainer("compose"), []
    for step in range(4):
        trainer.step(step)
        moves = [trainer.optimization.optimizers[k] for k in ("generator", "discriminator.frame")]
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in moves])
    assert [r for r, _ in rates] == pytest.approx([0.1, 0.075, 0.025, 0.0])
    assert [r for _, r in rates] == pytest.approx([0.01, 0.02, 0.03, 0.04])


# Accumulation


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path):
    """Two batches of 2 move a part without batch norm as one batch of 4 does."""
    sets = ["generator.norm=none", "generator.start_input=none", "generator.canvas=0"]
    sets += ["stages.compose.batch=4"]
    # what is relative to the batch's variance or gradient, or drawn at random, is another for half of it
    sets += [
        "stages.compose.shares.sync=null",
        "discriminators.identity.noise=0",
        "stages.compose.losses.identity_maps.weight=0",
    ]
    # RMSprop's first step goes by the sign of a gradient alone, however near 0, unless eps is seen
    sets += [f"stages.compose.optimizers.{name}.eps=1e-3" for name in ("generator", "identity", "frame")]
    whole = Set(tmp_path, *sets)
    clips = whole.trainer("compose").batches(0)
    halves = [_part(clips, slice(i, i + 2)) for i in (0, 2)]
    weights = []
    for made, batches in ((whole, [clips]), (Set(tmp_path, *sets, "stages.compose.accumulate=2"), halves)):
        trainer = made.trainer("compose")
        trainer.batches = lambda number, b=batches: b[number % len(b)]
        figures = trainer.step(0)
        weights.append((copy(made.graph.modules()), figures))
    (one, figures), (two, other) = weights
    assert set(figures) == set(other)
    assert float(figures["D.frame"]) == pytest.approx(float(other["D.frame"]), rel=1e-4)
    for name in ("generator", "discriminator.frame", "discriminator.identity"):
        for key, value in one[name].items():
            assert torch.allclose(value, two[name][key], atol=2e-4), (name, key)


def _part(clips: Batch, rows: slice) -> Batch:
    part = clips._map(lambda tensor: tensor[rows])
    part.names = clips.names[rows]
    return part


def test_accumulating_runs_end_in_the_same_weights_when_interrupted(tmp_path):
    sets = ["stages.compose.accumulate=2", "stages.compose.steps=3"]
    Set(tmp_path, *sets).trainer("compose").run(tmp_path / "straight", save_seconds=1e9)
    steps = []
    stopped = Set(tmp_path, *sets).trainer("compose", show=lambda *at: steps.append(at))
    with pytest.raises(KeyboardInterrupt):
        stopped.run(tmp_path / "stopped", stopped=lambda: len(steps) >= 1)
    Set(tmp_path, *sets).trainer("compose").run(tmp_path / "stopped", save_seconds=1e9)
    one, two = (tmp_path / n / "weights.safetensors" for n in ("straight", "stopped"))
    assert one.read_bytes() == two.read_bytes()


# Early warnings


ACCURACY = "discriminator_accuracy.frame"
THRESHOLD = Threshold(ACCURACY, 0.51, 0.99, 3, "discriminator 'frame' has collapsed")


def watch(tmp_path, values, threshold=THRESHOLD, lines=()):
    warnings = []
    monitor = Monitor([threshold], warnings.append)
    state = TrainingState("compose", 100, {}, lambda: ["one", "two"], folder=tmp_path, step=len(lines))
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monitor.on_train_start(state)
    for step, value in enumerate(values, 1 + len(lines)):
        state.step, state.values = step, {ACCURACY: value}
        monitor.on_metrics(state)
    return warnings


def test_a_collapse_is_told_once_and_only_when_it_lasts(tmp_path):
    assert watch(tmp_path, [1.0, 1.0, 0.8, 1.0, 1.0]) == []
    (said,) = watch(tmp_path, [1.0, 1.0, 1.0, 1.0])
    assert said.startswith(
        "stage 'compose', step 3: discriminator_accuracy.frame was 1 on average over 3 steps"
    )
    assert "discriminator 'frame' has collapsed" in said
    assert len(watch(tmp_path, [0.5] * 3 + [0.8] * 3 + [0.5] * 3)) == 2


def test_a_collapse_may_stop_the_training(tmp_path):
    from dataclasses import replace

    with pytest.raises(
        TrainingError, match=r"step 3: discriminator_accuracy.frame was 0.5 .* clips .* one, two"
    ) as e:
        watch(tmp_path, [0.5] * 5, replace(THRESHOLD, stops=True))
    assert e.value.exit_code == 7
    assert "the last good checkpoint is kept" in str(e.value)


def test_a_resumed_stage_is_watched_as_an_unbroken_one(tmp_path):
    lines = [{"step": s, "discriminator_accuracy.frame": 1.0} for s in (1, 2)]
    assert len(watch(tmp_path, [1.0], lines=lines)) == 1
    lines.append({"step": 3, "discriminator_accuracy.frame": 1.0})
    assert watch(tmp_path, [1.0], lines=lines) == []  # it was told before the run was broken off


def test_a_collapsed_run_stops_with_its_checkpoint(tmp_path):
    collapse = "stages.compose.collapse="
    sets = [f"{collapse}{{action: stop, steps: 2, max_accuracy: 0.95, min_accuracy: 0.9}}"]
    made = Set(tmp_path, *sets)
    with pytest.raises(
        TrainingError, match=r"stage 'compose', step \d: discriminator_accuracy\.\w+ was"
    ) as caught:
        made.trainer("compose").run(tmp_path / "stage", save_seconds=1e-6)
    assert caught.value.exit_code == 7
    assert (tmp_path / "stage" / "checkpoint" / "state.json").exists()


def test_the_clip_that_holds_no_numbers_is_named():
    frames = torch.zeros(3, 2, 3, 4, 4)
    clips = Batch(["a", "b", "c"], data={"frames": frames, "identity_maps": [torch.zeros(3, 1, 2, 2)]})
    assert suspects([clips]) == ["a", "b", "c"]
    clips.identity_maps[0][2] = float("nan")
    frames[1, 0, 0, 0, 0] = float("inf")
    assert suspects([clips]) == ["b", "c"]


def test_a_bad_clip_stops_the_run_and_is_named(tmp_path):
    made = Set(tmp_path)
    trainer = made.trainer("compose")
    clips = trainer.batches(0)
    clips.names = ["good", "bad"]
    clips["frames"][1] = float("nan")
    with pytest.raises(TrainingError, match=r"D\.frame.* no longer a number.*clips of this step: bad"):
        trainer.run(tmp_path / "stage", save_seconds=1e-6)


# Runs of frames, neighbourhoods, samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("s2vkit.rendering.held_out.draw_curves", lambda *args: True)
        more = """
generator: {use: skip_decoder, context_radius: 2, width: 16, min_width: 4}
discriminators: {motion: {use: temporal_patch, channels: 4}}
stages: {compose: {frames: 6, window: 3, samples: 2, optimizers: {motion: {use: adam, lr: 1.0e-4}}}}
"""
        run_toy(home, more=(more,))
    return home


@pytest.fixture(scope="module")
def store(folder):
    return ClipStore(next((folder / "cache").glob("corpus-*")))


def test_windows_are_consecutive_and_mismatched_as_a_whole(store):
    draw = drawer(store, batch=8, frames=6, window=3, gap=4)
    for step in range(4):
        drawn = draw.sample(step)
        for frames in (drawn.frames, drawn.others):
            assert frames.shape == (8, 6)
            assert (np.diff(frames.reshape(8, 2, 3), axis=2) == 1).all()
            counts = np.array([store.clips[i].frames for i in drawn.clips])
            assert (frames < counts[:, None]).all()
        assert (np.abs(drawn.others - drawn.frames) >= 4).all()


def test_a_window_longer_than_a_clip_holds_its_last_frame(store):
    drawn = drawer(store, batch=2, frames=40, window=40).sample(0)
    counts = [store.clips[i].frames for i in drawn.clips]
    assert [f[-1] for f in drawn.frames] == [n - 1 for n in counts]


def test_neighbours_are_held_at_the_ends():
    features = torch.arange(5.0).view(1, 5, 1)
    assert neighbours(features, 1, 0, 2)[0, :, :, 0].tolist() == [[0, 0, 1], [0, 1, 2]]
    assert neighbours(features, 2, 4, 5)[0, :, :, 0].tolist() == [[2, 3, 4, 4, 4]]


def test_a_run_with_windows_and_the_better_generator_leaves_samples(folder):
    samples = folder / "run" / "samples"
    assert {p.name for p in samples.glob("*.png")} == {
        "held_out.png",
        "over_time.png",
        "identity_emotion.png",
        "identity_maps.png",
    }
    columns = folder / "run" / "stages" / "compose" / "samples"
    assert [p.stem for p in sorted(columns.glob("*.png"))] == ["0000002", "0000004"]


def test_samples_do_not_change_the_training(tmp_path):
    run_toy(tmp_path / "with", "stages.compose.samples=4", stages=["compose"])
    run_toy(tmp_path / "without", "stages.compose.samples=0", stages=["compose"])
    one, two = (
        tmp_path / n / "run" / "stages" / "compose" / "weights.safetensors" for n in ("with", "without")
    )
    assert one.read_bytes() == two.read_bytes()


def test_a_generator_that_hears_around_draws_the_same_in_chunks(tmp_path, monkeypatch):
    from s2vkit.device import choose
    from s2vkit.inference import pipeline
    from s2vkit.settings import Compute

    made = Set(tmp_path, "generator={use: skip_decoder, context_radius: 2}")
    model = pipeline.InferencePipeline(
        made.graph, made.recipe.alignment, choose(Compute(device="cpu", threads=1))
    )
    speech = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    codes = model.condition(speech, 12)
    whole = torch.cat(list(model.generate(codes)))
    monkeypatch.setattr(pipeline, "CHUNK", 5)
    parts = list(model.generate(codes))
    assert [len(p) for p in parts] == [5, 5, 2]
    assert torch.allclose(torch.cat(parts), whole, atol=1e-5)
