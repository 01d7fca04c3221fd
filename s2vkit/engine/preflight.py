"""Before a run: one made-up step of every stage, to find what cannot work and how long it takes.

Wrong shapes and too little memory show here, in seconds, and not after hours.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch

from s2vkit.build import Builder
from s2vkit.engine.device import Policy
from s2vkit.engine.train import Trainer
from s2vkit.parts.clip import Clips
from s2vkit.parts.dataset import Dataset
from s2vkit.parts.graph import Graph
from s2vkit.parts.seed import generator
from s2vkit.parts.stage import Stage

SECONDS = 2.5  # of speech in a made-up clip


def time_stages(
    stages: Mapping[str, Stage], builder: Builder, graph: Graph, policy: Policy
) -> dict[str, float]:
    """Step every stage twice on made-up clips, on a graph of its own: seconds each will take."""
    found = {}
    for name, stage in stages.items():
        clips = make_up(stage, graph, policy.device)
        trainer = Trainer(
            stage, name, graph, lambda step, clips=clips: clips, policy=policy,
            seed=builder.recipe.seed, make_optimizer=builder.make, compiled=False,
        )  # fmt: skip
        trainer.step(0)
        found[name] = _timed(trainer) * stage.options.steps
    return found


def _timed(trainer: Trainer) -> float:
    _wait(trainer.policy.device)
    start = time.perf_counter()
    trainer.step(1)
    _wait(trainer.policy.device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def time_load(dataset: Dataset) -> float:
    """Load one clip: the seconds it takes."""
    dataset.load(0)  # the first pays for imports
    start = time.perf_counter()
    dataset.load(1)
    return time.perf_counter() - start


def make_up(stage: Stage, graph: Graph, device: torch.device) -> Clips:
    """Make up a batch of the shapes that a stage will see."""
    random = generator(0, "preflight")
    b, v, size = stage.options.batch, stage.frames or 1, graph.world.size
    samples = int(SECONDS * graph.world.sample_rate)
    shapes: dict[str, tuple[int, ...]] = {
        "speech": (b, samples),
        "frames": (b, v, 3, size, size),
        "stills": (b, 3, size, size),
        "features": (b, v, graph.encoder.dim),
        "mismatched": (b, v, graph.encoder.dim),
        "summary": (b, graph.encoder.summary_dim),
    }
    needs = stage.needs | ({"summary"} if "codes" in stage.needs else set())
    clips = Clips(names=["made up"] * b)
    for name in needs & set(shapes):
        setattr(clips, name, torch.randn(shapes[name], generator=random).mul_(0.3))
    if clips.speech is not None:
        clips.lengths = torch.full((b,), samples)
    clips.labels = {
        label: torch.randint(max(1, len(names)), (b,), generator=random)
        for label, names in graph.world.labels.items()
    }
    for label in set(graph.judges) - set(graph.world.labels):
        clips.labels[label] = torch.rand(b, v, generator=random)
    if "targets" in needs:
        clips.targets = {k: torch.randn(b, t.dim) for k, t in graph.teachers.items()}
    if "maps" in needs and "identity" in graph.teachers:
        clips.maps = [torch.randn(b, *s) for s in graph.teachers["identity"].map_shapes]
    return move(clips, device)


def move(clips: Clips, device: torch.device) -> Clips:
    """Put a batch on a device."""
    for name, value in vars(clips).items():
        if isinstance(value, torch.Tensor):
            setattr(clips, name, value.to(device))
        elif isinstance(value, dict):
            setattr(clips, name, {k: v.to(device) for k, v in value.items()})
    clips.maps = [m.to(device) for m in clips.maps]
    return clips
