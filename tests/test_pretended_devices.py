"""What only a GPU would show, without one: every stage's step on pretended devices.

`FakeTensorMode` with tensors on `cuda` finds mixed devices in every forward pass; a pretended
device with real numbers, in the backward pass and the optimizers' too, and float64, which an
Apple GPU does not have; autocast on the CPU finds wrong dtypes.
"""

from __future__ import annotations

import pytest
import torch
from helpers_no_float64 import DEVICE, no_float64
from helpers_toy import REGISTRY, load_toy
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from s2vkit.build import Builder, data_spec_of
from s2vkit.device import Policy
from s2vkit.engine.preflight import make_up
from s2vkit.engine.trainer import Trainer
from s2vkit.interfaces.stage import Stage
from s2vkit.plugins import registry

INSTALLED = registry()
CUDA = torch.device("cuda")

RECIPES = {
    "paper": """
audio_encoder: {use: cpc, channels: 16}
discriminators: {sync: {use: speech_sync, channels: 4, joint: 8}}
stages:
  pretrain: {use: contrastive, steps: 3, batch: 2, negatives: 4, window: 0.4, predictions: 4,
             predictor: linear, optimizer: {use: adam, lr: 2.0e-4}}
  distill: {after: [pretrain, train_teachers], erase: 0.5, losses: {apart: {use: decorrelate, weight: 0.1}}}
  compose: {losses: {perceptual: {weight: 0.1}, feature_matching: {weight: 0.1},
                     adversarial: lsgan}}
""",
    "video": """
generator: {use: skip_decoder, width: 16, identity_width: 16, context_radius: 1}
discriminators:
  identity: null
  frame: {use: multi_scale_patch, channels: 4, scales: 2}
  motion: {use: temporal_patch, channels: 4}
  sequence: {use: sdfa_sequence, channels: 4, hidden: 8}
  still: {use: sdfa_frame, channels: 4}
  sync: {use: sdfa_sync, channels: 4, joint: 8}
stages:
  compose:
    frames: 5
    window: 5
    optimizers:
      motion: {use: adam, lr: 1.0e-4}
      sequence: {use: adam, lr: 1.0e-4}
      still: {use: adam, lr: 1.0e-4}
""",
    "sdfa": """
teachers: {identity: null, emotion: null}
students: {identity: null, emotion: null}
generator: {use: sdfa, channels: 4, content: 16, identity: 8}
discriminators: {identity: null, sync: null}
stages: {train_teachers: null, distill: null, compose: {after: [], frames: 2, window: 2}}
""",
    "sync": """
generator: {use: modulated_decoder, width: 16, min_width: 8, capacity: 128, pose_size: 3, mouth: landmarks,
  head_motion: replayed}
discriminators: {identity: null, sync: {use: sync_expert}}
landmarks: {use: regressed_points, channels: 4, input_size: 32}
stages:
  landmarks: {use: landmarks, steps: 2, batch: 2, optimizer: {use: adam, lr: 1.0e-3}}
  sync_pairs: {use: sync_pairs, steps: 2, batch: 2, adversarial: lsgan, optimizer: {use: adam, lr: 1.0e-3}}
  compose: {after: [distill, sync_pairs], frames: 5, window: 5}
""",
    "voice": """
audio_encoder: {use: speech2face, width: 0.05, seconds: 2.8, fft: 128}
teachers: {emotion: null}
students: {identity: speech2face, emotion: null}
generator: {use: sdfa_from_voice, channels: 4, content: 16, identity: 8}
discriminators: {identity: null, sync: null}
stages:
  voice: {use: speech2face, after: [train_teachers], steps: 2, batch: 2, optimizer: {use: adam, lr: 1.0e-3},
          match: normalized_l2}
  distill: null
  compose: {after: [voice], frames: 2, window: 2}
""",
}


def fake(module: nn.Module) -> None:
    """Put tensors of a pretended GPU in the place of a module's own."""
    for part in module.modules():
        for held in (part._parameters, part._buffers):
            for name, value in held.items():
                if value is not None:
                    shape, stride = value.shape, value.stride()
                    made = torch.empty_strided(shape, stride, dtype=value.dtype, device=CUDA)
                    held[name] = nn.Parameter(made) if isinstance(value, nn.Parameter) else made


def recur(self, x, state=None):
    """Stand in for a recurrent network: the same shapes, and every weight has a gradient."""
    weights = torch.stack([p.sum() for p in self.parameters()]).sum()
    out = (x.mean(-1, keepdim=True) + weights).expand(*x.shape[:-1], self.hidden_size)
    return out, out[:, -1:].transpose(0, 1) if self.batch_first else out[-1:]


@pytest.fixture
def blind(monkeypatch):
    """Leave out what looks at numbers, which pretended tensors have not."""
    monkeypatch.setattr("s2vkit_stages.classify.vary", lambda images, options: images)
    for recurrent in (nn.GRU, nn.LSTM):  # not computed without a driver
        monkeypatch.setattr(recurrent, "forward", recur)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_stage_keeps_to_one_gpu(blind, tmp_path, recipe):
    forward = "stages: {compose: {shares: {sync: null}}}"  # shares go backward, which these tensors cannot
    builder = Builder(load_toy(tmp_path, more=(RECIPES[recipe], forward)).recipe, REGISTRY)
    graph = builder.graph(data_spec_of(builder.dataset()))
    with FakeTensorMode(), torch.backends.cudnn.flags(enabled=False):
        for module in graph.modules().values():
            fake(module)
        with CUDA:
            stages = builder.stages(graph, CUDA)
        ran = [name for name, stage in stages.items() if isinstance(stage, Stage) and not stage.idle()]
        for name in ran:
            step(stages[name], graph)
    assert "compose" in ran


def test_the_recipes_have_every_stage_generator_and_discriminator(tmp_path):
    used = set()
    for name, recipe in RECIPES.items():
        loaded = load_toy(tmp_path / name, more=(recipe,)).recipe
        slots = [loaded.generator, *loaded.discriminators.values(), *loaded.stages.values()]
        used |= {(slot.kind, slot.use) for slot in slots}
    kinds = ("stage", "generator", "discriminator")
    others = {("stage", "evaluate"), ("stage", "sync_evaluator")}  # trains nothing; draws by numbers
    assert used >= {entry for entry in INSTALLED.entries if entry[0] in kinds} - others


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_stage_trains_where_there_is_no_float64(tmp_path, recipe):
    builder = Builder(load_toy(tmp_path, more=(RECIPES[recipe],)).recipe, REGISTRY)
    graph = builder.graph(data_spec_of(builder.dataset()))
    policy = Policy(DEVICE)
    with no_float64():
        policy.place_all(graph.modules())
        stages = builder.stages(graph, policy.device)
        for name, stage in stages.items():
            if isinstance(stage, Stage) and not stage.idle():
                trainer = trainer_of(stage, name, graph, policy, builder)
                metrics = trainer.step(0)
                assert {key: value for key, value in metrics.items() if not value.isfinite()} == {}, name


def step(stage: Stage, graph) -> None:
    """Go through the phases of a stage on a fake batch."""
    batch = make_up(stage, graph, CUDA)
    for module in stage.extras().values():
        fake(module)
    shared = stage.shared_forward(batch)
    for phase in stage.phases():
        assert {term.device.type for term in phase.loss(batch, shared).values()} == {"cuda"}
    for value in stage.extra_metrics(batch, shared).values():
        assert value.device.type == "cuda"


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch warns of it whenever oneDNN is switched
def test_every_stage_steps_in_half_precision(tmp_path, precision, recipe):
    builder = Builder(load_toy(tmp_path, more=(RECIPES[recipe],)).recipe, REGISTRY)
    graph = builder.graph(data_spec_of(builder.dataset()))
    policy = Policy(torch.device("cpu"), precision, channels_last=True)
    stages = builder.stages(graph, policy.device)
    for name, stage in stages.items():
        if not isinstance(stage, Stage) or stage.idle():
            continue
        if precision == "fp16" and name == "pretrain":
            continue  # a CPU has no LSTM of fp16
        trainer = trainer_of(stage, name, graph, policy, builder)
        # oneDNN has no LSTM of bf16 on many processors; only it has convolutions of fp16
        with torch.backends.mkldnn.flags(enabled=precision == "fp16"):
            figures = trainer.step(0)
        losses = {key: value for key, value in figures.items() if not key.startswith("gradient_norm.")}
        assert all(bool(value.isfinite()) for value in losses.values()), (name, losses)


def trainer_of(stage: Stage, name: str, graph, policy: Policy, builder: Builder) -> Trainer:
    """Return what trains a stage on one fake batch."""
    batch = make_up(stage, graph, policy.device)
    return Trainer(
        stage, name, graph, lambda number: batch, policy=policy, seed=1, make_optimizer=builder.make
    )
