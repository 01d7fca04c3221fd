"""The smallest run of every stage: the toy dataset, a recipe of tiny nets, and ways to run it."""

from __future__ import annotations

import io
import sys
from importlib.metadata import entry_points
from pathlib import Path

import torch
from rich.console import Console

from s2vkit.build import Builder
from s2vkit.device import choose
from s2vkit.engine.preflight import check_evaluators
from s2vkit.engine.run import run_recipe
from s2vkit.files import read_json
from s2vkit.hookspecs import ENTRY_POINT_GROUP
from s2vkit.plugins import load
from s2vkit.recipe.load import Loaded, load_recipe
from s2vkit.registry import Collector, Registry
from s2vkit.runs.plan import Plan

TOY = Path(__file__).parent / "toy"
ROOT = Path(__file__).parent.parent
if str(TOY) not in sys.path:
    sys.path.append(str(TOY))
import s2vkit_toy  # noqa: E402
from s2vkit_toy import Toy, ToyOptions  # noqa: E402, F401

SMALL = """
extends: {root}/recipes/tiny.yaml
name: toy
output: {folder}/run
cache: {folder}/cache
data: {{use: toy, speakers: 2, size: 32, emotions: [neutral, anger], sentences: 4}}
audio_encoder: logmel
alignment: {{mode: linear, shift: 0.0}}
teachers:
  identity: {{use: vggface, width: 0.0625}}
  emotion: {{use: senet50, width: 0.0625, layers: [1, 1, 1, 1]}}
students: {{identity: {{hidden: [16]}}, emotion: {{hidden: [16]}}}}
generator: {{width: 16, identity_width: 16, hearing: [8, 4]}}
discriminators:
  identity: {{channels: 4}}
  frame: {{channels: 4}}
  sync: {{channels: 4, joint: 8}}
stages:
  pretrain: null
  train_teachers: {{steps: 4, batch: 4}}
  train_evaluators: {{steps: 4, batch: 4, blur: 0.5, colour: 0.3, noise: 0.1}}
  distill:
    {{after: [train_teachers], steps: 6, batch: 4, cached_frames: {{emotion: 4}},
     sampled_frames: {{emotion: 2}}}}
  pretrain_sync: {{steps: 4, batch: 4}}
  pretrain_mouth: {{steps: 4, batch: 4, frames: 4}}
  compose: {{steps: 4, batch: 2, frames: 2}}
compute: {{workers: 0, threads: 1, precision: fp32}}
"""


def toy_registry() -> Registry:
    """Return a registry of all installed plugins and the toy, of its own."""
    registry = load(entry_points(group=ENTRY_POINT_GROUP))
    collector = Collector("toy 0.1 (toy)")
    s2vkit_toy.s2vkit_register(collector.register)
    registry.add_all(collector.entries, collector.commands)
    return registry


REGISTRY = toy_registry()


def write_recipe(folder: Path, *more: str) -> Path:
    """Write the small recipe into a folder; `more` is YAML of recipes laid over it, in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.yaml"
    path.write_text(SMALL.format(root=ROOT, folder=folder))
    for number, text in enumerate(more):
        child = folder / f"small{number}.yaml"
        child.write_text(f"extends: {path.name}\n{text}")
        path = child
    return path


def load_toy(folder: Path, *sets: str, more: tuple[str, ...] = ()) -> Loaded:
    """Load the small recipe, `sets` laid over it."""
    return load_recipe(write_recipe(folder, *more), sets, REGISTRY)


def run_toy(folder: Path, *sets: str, more: tuple[str, ...] = (), **how) -> str:
    """Run the small recipe in this process; give what was printed.

    Without `quiet=False` nothing is announced: the trial of every stage takes a quarter of such a run.
    """
    how.setdefault("quiet", True)
    text = io.StringIO()
    console = Console(file=text, width=200)
    run_recipe(load_toy(folder, *sets, more=more), console=console, registry=REGISTRY, **how)
    return text.getvalue()


def done_when(folder: Path) -> dict[str, int]:
    """Tell when each stage of the run was last finished."""
    marks = sorted((folder / "run" / "stages").glob("*/done.json"))
    return {mark.parent.name: mark.stat().st_mtime_ns for mark in marks}


def results(folder: Path) -> dict[str, bytes]:
    """Return the metrics and all weights of a run, byte for byte."""
    run = folder / "run"
    weights = [path for path in run.rglob("*.safetensors") if path.parent.name != ".checkpoint.old"]
    files = [run / "metrics.json", *sorted(weights)]
    assert len(files) > 4
    return {str(f.relative_to(run)): f.read_bytes() for f in files}


def metrics(folder: Path) -> dict:
    """Read the metrics of a run."""
    return read_json(folder / "run" / "metrics.json")


def install_toy(target: Path) -> dict[str, str]:
    """Lay the toy out as an installed distribution: the environment that finds it."""
    about = target / "s2vkit_toy-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: s2vkit-toy\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\ntoy = s2vkit_toy\n")
    return {"PYTHONPATH": f"{target}:{TOY}"}


def results_in(folder: Path, *sets: str, more: tuple[str, ...] = ()) -> dict[str, str]:
    """Give the identity of each stage's result; nothing is run."""
    recipe = load_toy(folder, *sets, more=more).recipe
    builder = Builder(recipe, REGISTRY)
    graph = builder.graph()
    stages = builder.stages(graph, torch.device("cpu"))
    check_evaluators(graph, stages)
    plan = Plan(recipe, REGISTRY, graph, stages, folder / "run", choose(recipe.compute))
    return {step.name: step.result for step in plan.steps}
