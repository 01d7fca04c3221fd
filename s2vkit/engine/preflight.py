"""Before a run: one step of every stage on fake data, to find what cannot work and how long it takes.

Wrong shapes and too little memory show here, in seconds, and not after hours.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import torch

from s2vkit.build import Builder
from s2vkit.device import Policy
from s2vkit.engine.compilation import reason_of, uncompile_all
from s2vkit.engine.trainer import Trainer
from s2vkit.errors import InputError, RecipeError, ResourceError, S2vkitError, memory_is_out
from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.dataset import ClipFiles, Dataset
from s2vkit.interfaces.fields import BatchSizes, sampling_of
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.seed import generator
from s2vkit.interfaces.stage import Job, Stage
from s2vkit.runs.validating import validation_of

_TRIED = 4  # clips loaded at most to time one


def check_splits(clips: Sequence[ClipFiles], stages: Mapping[str, Stage | Job]) -> None:
    """Raise InputError if a stage needs clips of a split that the dataset leaves empty."""
    there = {clip.split for clip in clips}
    for name, stage in stages.items():
        trains = ("train", "val") if validation_of(stage) else ("train",)
        needed = stage.splits if isinstance(stage, Job) else () if stage.idle() else trains
        for split in needed:
            if split not in there:
                raise InputError(
                    f"the dataset has no clip in split '{split}', which stage '{name}' needs",
                    hint="check how `data:` splits its clips",
                )


def check_labels(graph: Graph) -> None:
    """Raise InputError if a network is to learn a label that no clip of the corpus has."""
    groups = {"teachers": graph.teachers, "evaluators": graph.evaluators}
    for group, networks in groups.items():
        for name, network in networks.items():
            label = graph.evaluated(name) if group == "evaluators" else name
            known = graph.data_spec.labels.get(label)
            if known is not None and not known and not network.pretrained:
                raise InputError(
                    f"no clip has a known '{label}' for `{group}.{name}` to learn",
                    hint=f"tell it by the dataset's options, or leave it out: {group}.{name}=null",
                )


def check_evaluators(graph: Graph, stages: Mapping[str, Stage | Job], started: Collection[str] = ()) -> None:
    """Raise RecipeError if landmarks or a further evaluator of a label have no weights and no stage.

    `started` are parts that start from another run's weights.
    """
    trained = set(started) | _trained(stages)
    for name, evaluator in graph.evaluators.items():
        if graph.evaluated(name) != name and not evaluator.pretrained and f"evaluator.{name}" not in trained:
            raise RecipeError(
                f"evaluators.{name} has no file of weights, and no stage trains it",
                hint=f"add a stage to train it apart from the others: "
                f"`evaluator_{name}: {{use: classify, of: evaluator, only: [{name}], ...}}`",
            )
    if graph.landmarks is not None and not graph.landmarks.pretrained and "landmarks" not in trained:
        raise RecipeError(
            "landmarks: has no file of weights, and no stage trains it",
            hint="add a stage to train it, as in recipes/landmarks.yaml: "
            "`landmarks: {use: landmarks, steps: 3000, optimizer: {use: adamw, lr: 2.0e-3}}`",
        )


def check_hearing(graph: Graph, stages: Mapping[str, Stage | Job], started: Collection[str] = ()) -> None:
    """Raise RecipeError if the generator is to hear the mouth, and nothing teaches it that."""
    generator = graph.generator
    if generator is None or generator.hearing is None or generator.pretrained or "generator" in started:
        return
    if "generator.hearing" not in _trained(stages):
        raise RecipeError(
            "generator: it is to hear the mouth in speech, and no stage teaches it that",
            hint="add a stage `mouth_from_speech`, as in recipes/speech2video.yaml, before it draws, "
            "or let it draw from the speech features: `generator.hearing=[]`",
        )


def _trained(stages: Mapping[str, Stage | Job]) -> set[str]:
    """Name what stages train."""
    learning = (stage for stage in stages.values() if isinstance(stage, Stage) and not stage.idle())
    return {part for stage in learning for part in stage.optimizers()}


@dataclass
class Trial:
    """What one fake step of every stage showed."""

    seconds: dict[str, float]  # stage -> the time that all its steps will take
    policy: Policy  # as chosen, or without compiling where that failed
    not_compiled: str = ""  # why, where it failed


def try_stages(
    stages: Mapping[str, Stage], builder: Builder, graph: Graph, policy: Policy, *, must_compile: bool = False
) -> Trial:
    """Step every stage twice on fake clips, on a graph of its own, as it will be run.

    Where compiling fails, all goes uncompiled. Raises RecipeError if the parts of a stage do
    not go together, ResourceError if a step does not fit into memory, or where compiling
    fails and `must_compile`.
    """
    if not policy.compile:
        return Trial(time_stages(stages, builder, graph, policy), policy)
    failure = ""
    try:
        seconds = {name: _time_stage(name, stage, builder, graph, policy) for name, stage in stages.items()}
        return Trial(seconds, policy)
    except S2vkitError:
        raise
    except Exception as error:
        failure = reason_of(error)
    finally:
        uncompile_all({**graph.modules(), **graph.inner_modules()})
        torch.compiler.reset()  # the run compiles networks of its own
    plain = replace(policy, compile=False)
    trial = Trial(time_stages(stages, builder, graph, plain), plain, failure)  # not the compiler's fault?
    if must_compile:
        raise ResourceError(
            f"compute.compile is always, but torch.compile fails on {policy.device}: {failure}",
            hint="it needs a C++ compiler, on a GPU triton too; set compute.compile to auto or never",
        )
    return trial


def time_stages(
    stages: Mapping[str, Stage], builder: Builder, graph: Graph, policy: Policy
) -> dict[str, float]:
    """Step every stage twice on fake clips, on a graph of its own: seconds each will take.

    Raises RecipeError if the parts of a stage do not go together, ResourceError if a
    step does not fit into memory.
    """
    found = {}
    for name, stage in stages.items():
        with _naming(name, stage, policy):
            found[name] = _time_stage(name, stage, builder, graph, policy)
    return found


def _time_stage(name: str, stage: Stage, builder: Builder, graph: Graph, policy: Policy) -> float:
    clips = make_up(stage, graph, policy.device)

    def batches(step: int) -> Batch:
        return clips

    seed = builder.recipe.seed
    trainer = Trainer(stage, name, graph, batches, policy=policy, seed=seed, make_optimizer=builder.make)
    trainer.step(0)
    return _timed(trainer) * stage.options.steps


@contextmanager
def _naming(name: str, stage: Stage, policy: Policy) -> Iterator[None]:
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
        reason = (str(error).strip().splitlines() or ["no message"])[0]
        if policy.precision != "fp32" and isinstance(error, RuntimeError):
            raise RecipeError(  # such as an LSTM of bf16, which many processors lack
                f"stage '{name}' cannot do one step in {policy.precision} on {policy.device}: {reason}",
                hint="set `compute.precision` to fp32; if that fails too, its parts do not fit",
            ) from error
        raise RecipeError(
            f"stage '{name}' cannot do one step on fake data: {type(error).__name__}: {reason}",
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
    """Fake a batch of the shapes that a stage will see, from its fields."""
    random, sampling = generator(0, "preflight"), sampling_of(stage.fields)
    clips, frames = stage.options.batch, sampling.frames
    sizes = BatchSizes(clips, frames, sampling.window, graph)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=random).mul_(0.3)

    batch = Batch(["made up"] * clips, window=sampling.window)
    for field in stage.fields:
        batch.data.update(field.fake(sizes, noise))
    batch.labels = {
        label: torch.randint(max(1, len(names)), (clips,), generator=random)
        for label, names in graph.data_spec.labels.items()
    }
    for label in {graph.evaluated(name) for name in graph.evaluators} - set(graph.data_spec.labels):
        batch.labels[label] = torch.rand(clips, frames, generator=random)
    return batch.to(device)
