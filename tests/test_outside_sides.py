"""A plugin from outside brings a batch field, a discriminator that wants it and a third side of a face."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers_outside import OUTSIDE, install
from safetensors import safe_open

from s2vkit.engine.log import read_log
from s2vkit.files import read_json

ROOT = Path(__file__).parent.parent
RECIPE = """
extends: {root}/recipes/tiny.yaml
output: run
cache: cache
data: {{use: aged_squares}}
audio_encoder: logmel
alignment: {{mode: linear, shift: 0.0}}
teachers:
  age: {{use: senet50, width: 0.0625, layers: [1, 1, 1, 1]}}
  emotion: {{layers: [1, 1, 1, 1]}}
students: {{age: {{use: mlp, hidden: [8]}}}}
generator: {{width: 16, identity_width: 16}}
discriminators:
  loud: loud_frames
  identity: {{channels: 4}}
  frame: {{channels: 4}}
  sync: {{channels: 4, joint: 8}}
evaluators: {{age: {{use: timm}}, mouth_aperture: null}}
stages:
  pretrain: null
  train_teachers: {{steps: 2, batch: 4}}
  train_evaluators: {{steps: 2, batch: 4}}
  distill:
    after: [train_teachers]
    steps: 3
    batch: 4
    cached_frames: {{emotion: 4, age: 4}}
    erase: 0.5
    losses: {{apart: {{use: decorrelate, weight: 0.1}}}}
  compose:
    steps: 2
    batch: 2
    frames: 2
    optimizers: {{loud: {{use: rmsprop, lr: 1.0e-4}}}}
  evaluate:
    metrics: {{mouth_aperture_correlation: null, mouth_movement: null}}
compute: {{workers: 0, threads: 1}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The plugin installed from its wheel, and a run of a recipe with all three."""
    folder = tmp_path_factory.mktemp("sides")
    added = install([OUTSIDE / "s2vkit_sides"], folder / "site", folder / "wheels")
    (folder / "recipe.yaml").write_text(RECIPE.format(root=ROOT))
    command = [sys.executable, "-m", "s2vkit", "run", "recipe.yaml"]
    ran = subprocess.run(
        command, cwd=folder, env={**os.environ, **added}, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    return folder


def test_the_third_side_is_distilled_erased_and_drawn_from(home):
    log = read_log(home / "run" / "stages" / "distill" / "log.jsonl")
    assert {"age.match", "age.distill", "age.apart", "identity.apart"} <= set(log[-1])
    with safe_open(home / "run" / "model" / "model.safetensors", "pt") as weights:
        assert any(key.startswith("student.age/") for key in weights.keys())  # noqa: SIM118
    assert read_json(home / "run" / "metrics.json")["ssim"]["n"] == 8


def test_the_discriminator_of_the_new_field_plays(home):
    line = read_log(home / "run" / "stages" / "compose" / "log.jsonl")[-1]
    assert {"D.loud", "G.loud", "discriminator_accuracy.loud"} <= set(line)


def test_the_component_keeps_its_contract(home):
    code = (
        "from s2vkit.testing import check_component;"
        "check_component('discriminator', 'loud_frames'); check_component('dataset', 'aged_squares')"
    )
    env = {**os.environ, "PYTHONPATH": str(home / "site")}
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-2000:]
