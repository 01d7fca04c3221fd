"""Before a run: one made-up step of every stage, to find what cannot work and how long it takes.

Wrong shapes and too little memory show here, in seconds, and not after hours.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import torch

from s2vkit.build import Builder
from s2vkit.device import Policy
from s2vkit.engine.trainer import Trainer
from s2vkit.errors import InputError, RecipeError, ResourceError, S2vkitError, memory_is_out
from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.dataset import ClipFiles, Dataset
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.seed import generator
from s2vkit.interfaces.stage import Job, Stage

SECONDS = 2.5  # of speech in a made-up clip
_TRIED = 4  # clips loaded at most to time one


def check_splits(clips: Sequence[ClipFiles], stages: Mapping[str, Stage | Job]) -> None:
    """Raise InputError where a stage needs clips of a split that the dataset leaves empty."""
    there = {clip.split for clip in clips}
    for name, stage in stages.items():
        needed = stage.splits if isinstance(stage, Job) else () if stage.idle() else ("train",)
        for split in needed:
            if split not in there:
                raise InputError(
                    f"the dataset has no clip in split '{split}', which stage '{name}' needs",
                    hint="look at how `data:` splits its clips",
                )


def check_labels(graph: Graph) -> None:
    """Raise InputError where a network is to learn a label that no clip of the corpus has."""
    groups = {"teachers": graph.teachers, "evaluators": graph.evaluators}
    for group, networks in groups.items():
        for name, network in networks.items():
            label = graph.evaluated(name) if group == "evaluators" else name
            known = graph.world.labels.get(label)
            if known is not None and not known and not network.pretrained:
                raise InputError(
                    f"no clip has a known '{label}' for `{group}.{name}` to learn",
                    hint=f"tell it by the dataset's options, or leave it out: {group}.{name}=null",
                )


def check_evaluators(graph: Graph, stages: Mapping[str, Stage | Job]) -> None:
    """Raise RecipeError where a further evaluator of a label has no file and no stage trains it."""
    trained = {
        part
        for stage in stages.values()
        if isinstance(stage, Stage) and not stage.idle()
        for part in stage.optimizers()
    }
    for name, evaluator in graph.evaluators.items():
        if graph.evaluated(name) != name and not evaluator.pretrained and f"evaluator.{name}" not in trained:
            raise RecipeError(
                f"evaluators.{name} has no file of weights, and no stage trains it",
                hint=f"add a stage to train it apart from the others: "
                f"`evaluator_{name}: {{use: classify, of: evaluator, only: [{name}], ...}}`",
            )


def time_stages(
    stages: Mapping[str, Stage], builder: Builder, graph: Graph, policy: Policy
) -> dict[str, float]:
    """Step every stage twice on made-up clips, on a graph of its own: seconds each will take.

    Raises RecipeError where the parts of a stage do not go together, ResourceError where a
    step does not fit into memory.
    """
    found = {}
    for name, stage in stages.items():
        with _naming(name, stage):
            found[name] = _time_stage(name, stage, builder, graph, policy)
    return found


def _time_stage(name: str, stage: Stage, builder: Builder, graph: Graph, policy: Policy) -> float:
    clips = make_up(stage, graph, policy.device)

    def batches(step: int) -> Batch:
        return clips

    trainer = Trainer(
        stage,
        name,
        graph,
        batches,
        policy=policy,
        seed=builder.recipe.seed,
        make_optimizer=builder.make,
        compiled=False,
    )
    trainer.step(0)
    return _timed(trainer) * stage.options.steps


@contextmanager
def _naming(name: str, stage: Stage) -> Iterator[None]:
    try:
        yield
    except S2vkitError:
        raise
    except Exception as error:
        if memory_is_out(error):
            raise ResourceError(
                f"stage '{name}': a step of {stage.options.batch} clips does not fit into memory",
                hint=f"lower `stages.{name}.batch`, or `size` of the data",
            ) from error
        said = (str(error).strip().splitlines() or ["no message"])[0]
        raise RecipeError(
            f"stage '{name}' cannot do one made-up step: {type(error).__name__}: {said}",
            hint="its parts do not go together, or one has a bug; nothing was run. "
            "`s2vkit --debug run ...` shows where",
        ) from error


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
    """Load clips until two are usable: the seconds that the last took."""
    seconds, usable = 0.0, 0
    for i in range(min(_TRIED, len(dataset.clips()))):
        start = time.perf_counter()
        with suppress(InputError):  # preparing sets such a clip aside, and says why
            dataset.load(i)
            usable += 1
        seconds = time.perf_counter() - start
        if usable == 2:  # the first pays for imports
            break
    return seconds


def make_up(stage: Stage, graph: Graph, device: torch.device) -> Batch:
    """Make up a batch of the shapes that a stage will see."""
    random = generator(0, "preflight")
    b, v, size = stage.options.batch, stage.frames, graph.world.size
    samples = int(SECONDS * graph.encoder.sample_rate)
    shapes: dict[str, tuple[int, ...]] = {
        "speech": (b, samples),
        "frames": (b, v, 3, size, size),
        "stills": (b, 3, size, size),
        "sounds": (b, v // stage.window, stage.lead + stage.window, stage.sound),
        "features": (b, v, graph.encoder.dim),
        "around": (b, v, 2 * stage.reach + 1, graph.encoder.dim),
        "mismatched": (b, v, graph.encoder.dim),
        "summary": (b, graph.encoder.summary_dim),
    }
    needs = stage.needs | ({"summary"} if "codes" in stage.needs else set())
    clips = Batch(names=["made up"] * b, window=stage.window)
    for name in needs & set(shapes):
        made = torch.randn(shapes[name], generator=random).mul_(0.3)
        setattr(clips, name, _channels_last(made) if name in {"frames", "stills"} else made)
    if clips.frames is not None:
        clips.times = torch.arange(v).expand(b, v)
    if clips.speech is not None:
        clips.lengths = torch.full((b,), samples)
    clips.labels = {
        label: torch.randint(max(1, len(names)), (b,), generator=random)
        for label, names in graph.world.labels.items()
    }
    for label in {graph.evaluated(name) for name in graph.evaluators} - set(graph.world.labels):
        clips.labels[label] = torch.rand(b, v, generator=random)
    if "targets" in needs:
        clips.targets = {k: torch.randn(b, t.dim, generator=random) for k, t in graph.teachers.items()}
    if "maps" in needs and "identity" in graph.teachers:
        shapes_of_maps = graph.teachers["identity"].map_shapes
        made_maps = [torch.randn(b, *shape, generator=random) for shape in shapes_of_maps]
        clips.maps = [_channels_last(m) for m in made_maps]
    return move(clips, device)


def _channels_last(images: torch.Tensor) -> torch.Tensor:
    """Lay out images (..., C, H, W) in memory as batches of real ones are."""
    return images.movedim(-3, -1).contiguous().movedim(-1, -3)


def move(clips: Batch, device: torch.device) -> Batch:
    """Put a batch on a device."""
    for name, value in vars(clips).items():
        if isinstance(value, torch.Tensor):
            setattr(clips, name, value.to(device))
        elif isinstance(value, dict):
            setattr(clips, name, {k: v.to(device) for k, v in value.items()})
    clips.maps = [m.to(device) for m in clips.maps]
    return clips
