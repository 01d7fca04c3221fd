"""Compiling: tried before the run on what will run, given up with a reason, every call covered."""

from __future__ import annotations

import io
import threading

import pytest
import torch
from helpers_toy import REGISTRY, load_toy
from rich.console import Console
from torch import nn

from s2vkit.build import Builder, data_spec_of
from s2vkit.device import Policy
from s2vkit.engine.compilation import compile_all, compiled_calls, reason_of, uncompile_all
from s2vkit.engine.preflight import make_up, try_stages
from s2vkit.engine.run import Run
from s2vkit.engine.trainer import Trainer
from s2vkit.errors import ResourceError
from s2vkit.files import read_json
from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.runs.graph_facts import keep_facts

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # of dynamo
COMPILED = Policy(torch.device("cpu"), compile=True)
ENCODER = """
audio_encoder: {use: cpc, channels: 16}
stages:
  pretrain: {use: contrastive, steps: 3, batch: 2, negatives: 4, window: 0.4, predictions: 4,
             predictor: linear, optimizer: {use: adam, lr: 2.0e-4}}
  distill: {after: [pretrain, train_teachers]}
"""


def failing(graph, inputs):
    """Stand in for inductor where there is no compiler."""
    raise RuntimeError("No working C++ compiler found in\n  the path")


@pytest.fixture
def broken(monkeypatch):
    monkeypatch.setattr("s2vkit.engine.compilation.BACKEND", failing)
    yield
    torch.compiler.reset()


@pytest.fixture
def counted(monkeypatch):
    """Compile by nothing but tracing; give the graphs that were traced."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr("s2vkit.engine.compilation.BACKEND", backend)
    yield graphs
    torch.compiler.reset()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    builder = Builder(load_toy(tmp_path_factory.mktemp("compiled"), more=(ENCODER,)).recipe, REGISTRY)
    graph = builder.graph(data_spec_of(builder.dataset()))
    return builder, graph, builder.stages(graph, torch.device("cpu"))


class Counts(AudioEncoder):
    """An encoder that is called in more than one way."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, speech, lengths):
        return self.layer(speech), speech

    def encode(self, speech):
        return self.layer(speech).relu()


def test_every_way_a_network_is_called_is_compiled(counted):
    network = Counts()
    plain = network.encode(torch.ones(2, 3))
    compile_all({"encoder": network})
    assert compiled_calls({"encoder": network}) == ["encoder", "encoder.encode"]
    assert torch.equal(network.encode(torch.ones(2, 3)), plain)
    network(torch.ones(2, 3), torch.ones(2))
    assert len(counted) == 2
    uncompile_all({"encoder": network})
    network.encode(torch.ones(5, 3))
    assert len(counted) == 2
    assert not set(vars(network)) & {"encode", "context"}


def test_a_stage_that_calls_by_another_name_than_forward_is_compiled_too(built, counted):
    builder, graph, stages = built
    name = "pretrain"
    batch = make_up(stages[name], graph, COMPILED.device)
    trainer = Trainer(
        stages[name], name, graph, lambda number: batch, policy=COMPILED, seed=1, make_optimizer=builder.make
    )
    trainer.step(0)
    uncompile_all(trainer.trained)
    assert counted


def test_where_compiling_fails_the_trial_goes_on_without_and_says_why(built, broken):
    builder, graph, stages = built
    trial = try_stages({"distill": stages["distill"]}, builder, graph, COMPILED)
    assert trial.seconds["distill"] > 0
    assert not trial.policy.compile
    assert trial.not_compiled == "RuntimeError: No working C++ compiler found in"


def test_compiling_that_was_asked_for_and_fails_is_an_error(built, broken):
    builder, graph, stages = built
    with pytest.raises(ResourceError, match=r"but torch\.compile fails on cpu: RuntimeError") as caught:
        try_stages({"distill": stages["distill"]}, builder, graph, COMPILED, must_compile=True)
    assert "set compute.compile to auto or never" in caught.value.hint


def test_a_trial_times_the_compiled_steps(built, counted):
    builder, graph, stages = built
    trial = try_stages({"distill": stages["distill"]}, builder, graph, COMPILED)
    assert trial.policy is COMPILED
    assert counted
    assert not any(module._compiled_call_impl for module in graph.modules().values())


def test_a_run_warns_and_keeps_what_was_chosen(tmp_path, broken, monkeypatch):
    text = io.StringIO()
    monkeypatch.setattr("s2vkit.engine.setup.choose", lambda compute: COMPILED)
    console = Console(file=text, width=200)
    run = Run(load_toy(tmp_path), tmp_path / "run", console, threading.Event(), REGISTRY)
    run.announce()
    assert "torch.compile fails: RuntimeError: No working C++ compiler found in" in text.getvalue()
    assert not run.policy.compile
    (tmp_path / "run").mkdir(exist_ok=True)
    keep_facts(run)
    assert "No working C++ compiler" in read_json(tmp_path / "run" / "run.json")["compiled"]


def test_the_reason_is_that_of_the_first_cause():
    error = RuntimeError("backend='inductor' raised")
    error.__cause__ = ValueError("\nno triton\nmore")
    assert reason_of(error) == "ValueError: no triton"
