"""Running one stage of a run: what is left of its training, or its job."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from s2vkit.engine.callbacks.best import GeneratedValidation
from s2vkit.engine.callbacks.finishing import Finishing
from s2vkit.engine.callbacks.loggers import Loggers
from s2vkit.engine.callbacks.logging import Logging, Progress
from s2vkit.engine.callbacks.monitor import Monitor
from s2vkit.engine.callbacks.profile import Profile
from s2vkit.engine.callbacks.starting import Starting
from s2vkit.engine.callbacks.validation import Validation
from s2vkit.engine.checkpoint import take_sound
from s2vkit.engine.loading import BatchDataset, BatchLoader, default_workers
from s2vkit.engine.log import spent
from s2vkit.engine.memory import Peak
from s2vkit.engine.process_group import ProcessGroup
from s2vkit.engine.setup import RunSetup
from s2vkit.engine.sources import Sources
from s2vkit.engine.trainer import Trainer
from s2vkit.engine.workspace import RunWork
from s2vkit.errors import RunFolderError
from s2vkit.files import remove, write_text
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.callback import Callback, TrainingState
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.metric import Metric
from s2vkit.interfaces.stage import Job, Stage
from s2vkit.rendering.training_samples import SamplePictures
from s2vkit.runs.folder import forget_training, record
from s2vkit.runs.plan import Step
from s2vkit.runs.progress import IDENTITY
from s2vkit.runs.segments import write_segments
from s2vkit.runs.validating import validation_of
from s2vkit.tensors import load_modules
from s2vkit.validation_options import ValidationOptions


def run_stage(run: RunSetup, step: Step) -> None:
    """Do what is left of a stage, or load what it has trained."""
    folder = run.folder / "stages" / step.name
    if step.done:
        load_stage(run, step)
        return
    with run.group.first() as leads:
        if leads:
            _open(run, step, folder)
    start, peak = time.monotonic() - spent(folder / "log.jsonl"), Peak(run.policy.device)
    run.notes.stage = step.name
    if isinstance(step.stage, Job):
        if run.group.leads or step.stage.shared:
            run.view.begin(step.name)
            step.stage.run(work_of(run, step, group=run.group if step.stage.shared else None))
            run.view.end()
    else:
        _train(run, step, step.stage, folder)
    seconds = round(time.monotonic() - start, 1)
    if run.group.leads:
        record(folder, step, seconds, memory=peak.read(), command=run.command)
    run.group.wait()
    step.progress = replace(step.progress, done=True, seconds=seconds)


def load_stage(run: RunSetup, step: Step) -> None:
    """Load what a finished stage has trained."""
    folder = run.folder / "stages" / step.name
    if isinstance(step.stage, Stage):
        modules = {**run.graph.modules(), **run.graph.inner_modules()}
        moved = {name: modules[name] for name in step.stage.optimizers() if name in modules}
        load_modules(folder / "weights.safetensors", moved)


def load_all(run: RunSetup) -> None:
    """Open the corpus and load what every stage has trained; nothing is trained.

    Raises RunFolderError if a stage has left no weights.
    """
    run.store = run.cache.open()
    for step in run.plan.steps:
        folder = run.folder / "stages" / step.name
        if step.idle or not isinstance(step.stage, Stage):
            continue
        if not (folder / "weights.safetensors").is_file():
            raise RunFolderError(
                f"{run.folder}: stage '{step.name}' has left no weights",
                hint="run its recipe again; it goes on from its last checkpoint",
            )
        load_stage(run, step)


def _open(run: RunSetup, step: Step, folder: Path) -> None:
    """Write down what is about to be trained; a checkpoint that it cannot go on from goes."""
    if not step.progress.start:
        forget_training(folder)
        remove(folder / "log.jsonl")
        run.notes.forget(step.name)
    if damage := take_sound(folder / "checkpoint"):
        run.warn(damage)
    write_segments(folder, step.segments)
    write_text(folder / IDENTITY, step.identity)
    remove(folder / "done.json")


def _train(run: RunSetup, step: Step, stage: Stage, folder: Path) -> None:
    trainer = trainer_of(run, step, stage)
    run.view.begin(step.name)
    trainer.run(folder, save_seconds=run.recipe.checkpoint_seconds, stopped=run.stopped.is_set)
    early = " (ended early: no better on val)" if trainer.state.ended else ""
    run.view.end(f"{trainer.state.step} steps{early}")


def trainer_of(run: RunSetup, step: Step, stage: Stage) -> Trainer:
    """Return what trains a stage, with its batches and callbacks; what it reads is cached first."""
    run.cache.fill(stage, run.store)
    with run.group.first():
        sources = run.cache.sources(stage, run.store)
    seed = run.recipe.seed
    loader = BatchLoader(
        BatchDataset(sources, stage, step.name, seed=seed, part=run.group.part),
        device=run.policy.device,
        workers=default_workers(run.recipe.compute.loader_workers, run.policy.device),
        total=stage.options.steps * stage.options.accumulate,
    )
    return Trainer(
        stage,
        step.name,
        run.graph,
        loader,
        policy=run.policy,
        seed=seed,
        make_optimizer=run.builder.make,
        callbacks=_callbacks(run, stage, loader),
        group=run.group,
    )


def _callbacks(run: RunSetup, stage: Stage, loader: BatchLoader) -> list[Callback]:
    """Return what is done beside the steps of a stage, in this order."""
    pictures = SamplePictures(
        run.folder, run.store, run.graph, run.recipe.alignment, run.policy, stage.sample_pictures
    )
    writers = [pictures, Logging(), Progress(run.view.advance, stage.progress_metrics)]
    writers += [Loggers(run.loggers(), run.folder, run.folder.name, run.loaded.data)]
    writers += [Profile()] if run.profile else []
    return [
        Starting(stage, partial(loader.training_clips, stage.start_with)),
        *_validation(run, stage),
        Validation(
            stage, run.policy.of(stage), partial(loader.held_out, stage.held_out, stage.held_out_runs)
        ),
        *(writers if run.group.leads else []),
        Monitor(stage.thresholds(), run.warn),
        Finishing(
            stage,
            partial(loader.training_clips, stage.finish_with, stage.finish_runs, stage.finish_consecutive),
        ),
    ]


def _validation(run: RunSetup, stage: Stage) -> list[Callback]:
    """Return what measures generated clips while a stage trains, if it asks for that."""
    options = validation_of(stage)
    if options is None:
        return []
    metric = options.metrics[options.best] if options.best else None
    better = run.registry.get(metric.kind, metric.use).better if metric else "none"
    return [GeneratedValidation(options, better, partial(_measure, run, options), run.group)]


def _measure(run: RunSetup, options: ValidationOptions, state: TrainingState) -> dict[str, float]:
    """Generate clips of val with the weights that the stage would leave now, and measure them."""
    generator = copy.deepcopy(state.averaged.get("generator", run.graph.generator))
    work = work_of(run, graph=replace(run.graph, generator=generator))  # type: ignore[arg-type]
    work.progress = lambda done, total: None  # the stage shows its own
    metrics: dict[str, Metric] = {name: run.builder.make(slot) for name, slot in options.metrics.items()}
    for outcome in work.outcomes("val", options.clips):
        for metric in metrics.values():
            metric.update(outcome)
    for module in state.modules.values():  # what generates was put into eval mode
        module.train()
    return {name: float(metric.compute().value) for name, metric in metrics.items()}


def work_of(
    run: RunSetup,
    step: Step | None = None,
    folder: Path | None = None,
    graph: Graph | None = None,
    group: ProcessGroup | None = None,
) -> RunWork:
    """Return the `Work` of a job; its results go into `folder`, or the run's own. `graph`: another one.

    `group`: the processes that do the job together; none: this one alone.
    """
    exact = replace(run.policy, precision="fp32")  # weights lie as training leaves them
    graph = graph or run.graph
    pipeline = InferencePipeline(graph, run.recipe.alignment, exact)

    def sources() -> Sources:
        assert step is not None
        return run.cache.sources(step.stage, run.store)

    place = folder or run.folder
    return RunWork(graph, place, run.store, pipeline, run.progress, sources, group)
