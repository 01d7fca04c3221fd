"""The graph of a run as plain data, so that it can be drawn without building it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2vkit.build import describe, part_slots
from s2vkit.device import facts_of
from s2vkit.engine.compilation import compiled_calls
from s2vkit.files import write_json
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.stage import Stage
from s2vkit.recipe.schema import Recipe
from s2vkit.registry import Registry
from s2vkit.runs.folder import precision_of, tell
from s2vkit.runs.plan import Step
from s2vkit.runs.published import published_weights

if TYPE_CHECKING:
    from s2vkit.engine.run import Run

FORMAT = 1
Flow = tuple[str, str, str]  # from, to, what

SPEECH, FACES, REFERENCE, VIDEO = "speech", "real frames", "a reference image", "generated frames"
_OF_SPEECH = ("features", "summary")


def keep_facts(run: Run) -> None:
    """Write what a run's page shows: graph.json, and in run.json machine and seed."""
    write_json(run.folder / "graph.json", graph_facts(run.recipe, run.graph, run.plan.steps, run.registry))
    tell(
        run.folder,
        recipe=run.loaded.path.name,
        seed=run.recipe.seed,
        notes=run.loaded.dropped,
        compiled=_compiled(run),
        processes=run.group.part.world,
        precision={**precision_of(run.folder), run.policy.device.type: run.policy.precision},
        **facts_of(run.policy),
    )


def _compiled(run: Run) -> list[str] | str:
    """Name the calls of networks that torch.compile compiles in training; else why there are none."""
    if not run.policy.compile:
        return f"no: {run.not_compiled}" if run.not_compiled else "no"
    trained = {part for step in run.plan.steps for part in _trains(step)}
    return compiled_calls({name: part for name, part in run.graph.modules().items() if name in trained})


def graph_facts(recipe: Recipe, graph: Graph, steps: list[Step], registry: Registry) -> dict[str, Any]:
    """Describe the parts, what flows between them, and which stage trains which.

    `{format, world, parts: [{part, component, takes, gives, parameters, trained_in, checkpoint,
    graphs}], flows: [{from, to, what, graphs}], stages: [{name, component, after, trains,
    steps, idle}], weights: [{part, component, file, package, licence, source}]}`; `graphs` names
    "training", "inference" or both.
    """
    weights = published_weights(recipe, registry)
    return {
        "format": FORMAT,
        "world": {
            "size": graph.data_spec.size,
            "fps": graph.data_spec.fps,
            "sample_rate": graph.data_spec.sample_rate,
            "labels": {k: len(v) for k, v in graph.data_spec.labels.items()},
        },
        "parts": _parts(recipe, graph, steps, weights),
        "flows": _flows(graph),
        "stages": [_stage(recipe, step) for step in steps],
        "weights": weights,
    }


def _parts(
    recipe: Recipe, graph: Graph, steps: list[Step], weights: list[dict[str, str]]
) -> list[dict[str, Any]]:
    slots, parts = part_slots(recipe), dict[str, dict[str, Any]]()
    for row in describe(graph, slots):
        name = row["part"]
        if name not in parts:
            trained = [step.name for step in steps if any(_within(part, name) for part in _trains(step))]
            file = ", ".join(Path(one["file"]).name for one in weights if _within(one["part"], name))
            rest = {k: v for k, v in row.items() if k != "graph"}
            parts[name] = {**rest, "trained_in": trained, "checkpoint": file, "graphs": []}
        parts[name]["graphs"].append(row["graph"])
    return list(parts.values())


def _within(part: str, name: str) -> bool:
    """Whether a part is the one of that name, or within it."""
    return f"{part}.".startswith(f"{name}.")


def _trains(step: Step) -> list[str]:
    return list(step.stage.optimizers()) if isinstance(step.stage, Stage) and not step.idle else []


def _stage(recipe: Recipe, step: Step) -> dict[str, Any]:
    steps = step.stage.options.steps if isinstance(step.stage, Stage) else None
    return {
        "name": step.name,
        "component": recipe.stages[step.name].use,
        "after": sorted(step.before),
        "trains": _trains(step),
        "steps": steps,
        "idle": step.idle,
    }


def _flows(graph: Graph) -> list[dict[str, Any]]:
    both, training = ["training", "inference"], ["training"]
    found = [
        *((flow, both) for flow in _inference_flows(graph)),
        *((flow, training) for flow in _training_flows(graph)),
    ]
    if graph.generator is not None:
        found.append((("generator", VIDEO, "frames"), ["inference"]))
    return [{"from": a, "to": b, "what": what, "graphs": of} for (a, b, what), of in found]


def _inference_flows(graph: Graph) -> Iterator[Flow]:
    """Return what flows when a clip is made."""
    yield SPEECH, "encoder", "speech"
    for side in graph.students:
        yield "encoder", f"student.{side}", "summary"
    if graph.generator is None:
        return
    yield "encoder", "generator", "features"
    for side in graph.students:
        yield f"student.{side}", "generator", f"{side} code"
    for field in graph.generator_fields():
        source = {"audio_windows": SPEECH, "reference_images": REFERENCE}.get(field.name, "encoder")
        yield source, "generator", field.name.replace("_", " ")


def _training_flows(graph: Graph) -> Iterator[Flow]:
    """Return what flows besides when parts are trained or measured: all that sees real faces."""
    groups: list[tuple[str, Mapping[str, Any]]] = [
        ("teacher", graph.teachers),
        ("evaluator", graph.evaluators),
    ]
    for kind, parts in groups:
        for side in parts:
            yield FACES, f"{kind}.{side}", "images"
    for side in graph.students.keys() & graph.teachers.keys():
        yield f"teacher.{side}", f"student.{side}", "target"
    if graph.sync_evaluator is not None:
        yield SPEECH, "sync_evaluator", "speech"
        yield FACES, "sync_evaluator", "frames"
    if graph.landmarks is not None:
        yield FACES, "landmarks", "frames"
    if graph.generator is None:
        return
    for name, part in graph.discriminators.items():
        for word in part.input_names():
            yield from _evaluated(f"discriminator.{name}", word, graph)
    evaluators = [f"evaluator.{name}" for name in graph.evaluators]
    evaluators += ["sync_evaluator"] if graph.sync_evaluator is not None else []
    evaluators += ["landmarks"] if graph.landmarks is not None else []
    for name in evaluators:
        yield "generator", name, "generated frames"


def _evaluated(name: str, want: str, graph: Graph) -> Iterator[Flow]:
    """Return where what a discriminator wants comes from: the true and the made one."""
    if want == "reference_images":
        yield REFERENCE, name, "a reference image of the speaker"
    elif want in _OF_SPEECH:
        yield "encoder", name, want
    elif want == "audio_windows":
        yield SPEECH, name, want
    else:
        real = "teacher.identity" if want == "identity_maps" else FACES
        if real == FACES or "identity" in graph.teachers:
            yield real, name, f"real {want.replace('_', ' ')}"
        yield "generator", name, f"generated {want.replace('_', ' ')}"
