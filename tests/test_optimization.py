"""Gradients: clipping, norms and learning rates in the log, the scale of fp16; networks in their place."""

import json
from types import SimpleNamespace

import pytest
import torch
from test_engine import CPU, Set
from torch import nn, optim

from s2vkit.device import Policy
from s2vkit.engine.callbacks.profile import SKIPPED, TRACE, TRACED, Profile
from s2vkit.engine.checkpoint import load_state, save_state
from s2vkit.engine.optimization import Optimization, clip
from s2vkit.engine.workspace import RunWork
from s2vkit.interfaces.callback import TrainingState
from s2vkit.options import OptimizerOptions, Slot


def module_with_gradient(*values):
    module = nn.Linear(len(values), 1, bias=False)
    module.weight.grad = torch.tensor([values])
    return module


def test_gradients_are_clipped_to_their_norm_together():
    module = module_with_gradient(3.0, 4.0)
    assert clip(list(module.parameters()), 2.5).item() == pytest.approx(5)
    assert module.weight.grad.tolist() == [pytest.approx([1.5, 2.0], rel=1e-5)]
    assert clip(list(module.parameters()), 100.0).item() == pytest.approx(2.5, rel=1e-5)
    assert module.weight.grad.tolist() == [pytest.approx([1.5, 2.0], rel=1e-5)]
    assert clip(list(module.parameters()), None).item() == pytest.approx(2.5, rel=1e-5)


def test_the_log_has_gradient_norms_and_learning_rates(tmp_path):
    figures = Set(tmp_path, "stages.compose.optimizers.frame.lr=0.125").trainer("compose").step(0)
    assert float(figures["lr.discriminator.frame"]) == 0.125
    for name in ("generator", "discriminator.frame", "discriminator.sync", "discriminator.identity"):
        assert float(figures[f"gradient_norm.{name}"]) > 0


def test_clipping_is_an_option_of_each_optimizer(tmp_path):
    trainer = Set(tmp_path, "stages.compose.optimizers.frame.clip_gradients=1.0e-6").trainer("compose")
    trainer.step(0)
    norms = {
        key: sum(float(p.grad.square().sum()) for p in module.parameters() if p.grad is not None) ** 0.5
        for key, module in trainer.trained.items()
    }
    assert norms["discriminator.frame"] <= 1.01e-6
    assert norms["discriminator.sync"] > 1e-5


def optimization(module, scale=1024.0):
    slot = Slot("optimizer", "sgd", OptimizerOptions(lr=0.5))
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=2)

    def make(slot, parameters):
        return optim.SGD(parameters, lr=slot.options.lr)

    return Optimization({"it": module}, {"it": slot}, make, scaler, 10)


def step(made, module, factor):
    made.zero(["it"])
    made.backward((module.weight * factor).sum())
    found = made.update(["it"], 0)
    made.end_step()
    return found


def test_an_overflow_of_fp16_updates_nothing_and_halves_the_scale(tmp_path):
    module = nn.Linear(2, 1, bias=False)
    made, before = optimization(module), module.weight.detach().clone()
    step(made, module, float("inf"))
    assert torch.equal(module.weight, before)
    assert made.scaler.get_scale() == 512
    found = step(made, module, 3.0)
    assert float(found["gradient_norm.it"]) == pytest.approx(3 * 2**0.5)  # of the loss, not the scaled one
    assert torch.allclose(module.weight, before - 1.5)


def test_the_scale_of_fp16_is_in_the_checkpoint(tmp_path):
    module = nn.Linear(2, 1, bias=False)
    made = optimization(module)
    step(made, module, float("inf"))
    step(made, module, 1.0)
    save_state(tmp_path / "c", 2, {"it": module, **made.modules()}, made.optimizers)
    again = nn.Linear(2, 1, bias=False)
    resumed = optimization(again)
    assert load_state(tmp_path / "c", {"it": again, **resumed.modules()}, resumed.optimizers) == 2
    assert optimization(again).scaler.get_scale() == 1024
    assert resumed.scaler.get_scale() == made.scaler.get_scale() == 512
    for each, part in ((made, module), (resumed, again)):
        step(each, part, 1.0)
    assert resumed.scaler.get_scale() == made.scaler.get_scale() == 1024  # it grew after two good steps
    assert torch.equal(module.weight, again.weight)


def test_networks_that_look_at_faces_are_placed_frozen_and_in_eval_mode_without_any_training(tmp_path):
    """A finished run's pictures use teachers that no trainer of this process has placed."""
    graph = Set(tmp_path).graph
    for module in graph.modules().values():
        module.train().requires_grad_(True)
    placed = []

    class Recording(Policy):
        def place(self, module):
            placed.append(module)
            return super().place(module)

    policy = Recording(**vars(CPU))
    RunWork(graph, tmp_path, None, SimpleNamespace(policy=policy), lambda *at: None, lambda: None)
    faces = [*graph.teachers.values(), *graph.evaluators.values()]
    assert len(faces) >= 4
    for module in faces:
        assert any(module is each for each in placed)
        assert not module.training
        assert not any(p.requires_grad for p in module.parameters())


def test_a_trace_of_some_steps_is_written_and_training_goes_on(tmp_path):
    modules = {"it": nn.Linear(2, 2)}
    state = TrainingState("some", 9, modules, list, folder=tmp_path)
    profile = Profile()
    profile.on_train_start(state)
    for step in range(1, 10):
        modules["it"](torch.ones(1, 2)).sum().backward()
        state.step = step
        profile.on_step_end(state)
        assert (tmp_path / TRACE).is_file() == (step >= SKIPPED + TRACED)
    profile.close()
    events = json.loads((tmp_path / TRACE).read_text())["traceEvents"]
    assert any(event.get("name") == "aten::linear" for event in events)


def test_a_stage_with_few_steps_left_has_no_trace(tmp_path):
    profile = Profile()
    profile.on_train_start(TrainingState("some", 5, {}, list, folder=tmp_path))
    assert profile.trace is None
