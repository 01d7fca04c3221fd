"""From a checked recipe to built parts, in the order in which sizes depend on each other.

Sizes flow here and nowhere else: the dataset gives the frame size, the teachers what they
give, the students follow, and the generator and discriminators are built to fit.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from s2vkit import __version__
from s2vkit.data.corpus import FootageCorpus
from s2vkit.errors import RecipeError
from s2vkit.footage_options import FootageOptions
from s2vkit.inference.assembly import ModelSlots, build_inference_graph
from s2vkit.inference.bundle import save_bundle
from s2vkit.inference.codes import LabelCodes
from s2vkit.inference.marking import default_watermark
from s2vkit.interfaces.dataset import Dataset, Footage
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.seed import seed_step
from s2vkit.interfaces.specs import DataSpec, ModelSpec
from s2vkit.interfaces.stage import Job, Stage
from s2vkit.options import Slot, label_of_evaluator
from s2vkit.recipe.schema import Recipe
from s2vkit.registry import Registry


class Builder:
    """Builds the parts of one recipe; every part's first weights depend on seed and name."""

    def __init__(self, recipe: Recipe, registry: Registry) -> None:
        self.recipe, self.registry = recipe, registry

    def make(self, slot: Slot, *positional: Any, **sizes: Any) -> Any:
        """Build what a slot names."""
        target = self.registry.get(slot.kind, slot.use).load()
        return target(slot.options, *positional, **sizes)

    def part(self, name: str, slot: Slot, **sizes: Any) -> Any:
        """Build a part, its random start drawn from the run's seed and its name."""
        with torch.random.fork_rng(devices=[]):
            seed_step(self.recipe.seed, "init", name)
            return self.make(slot, **sizes)

    def dataset(self) -> Dataset:
        """Build the dataset; cheap, nothing is loaded."""
        return build_dataset(self.recipe.data, self.recipe.seed, self.registry)

    def graph(self, world: DataSpec | None = None) -> Graph:
        """Build the whole training graph."""
        world = world or data_spec_of(self.dataset())
        teachers = {
            name: self._face(f"teacher.{name}", slot, name, world)
            for name, slot in self.recipe.teachers.items()
        }
        identity = teachers.get("identity")
        spec = ModelSpec(
            world,
            {side: teacher.dim for side, teacher in teachers.items()},
            list(identity.map_shapes) if identity else [],
        )
        parts = build_inference_graph(model_slots(self.recipe), spec, self.part)
        graph = Graph(
            world, parts.encoder, parts.students, parts.generator, make=self.make, teachers=teachers
        )
        graph.discriminators = {
            name: self.part(
                f"discriminator.{name}",
                slot,
                size=world.size,
                features=graph.encoder.dim,
                map_shapes=spec.map_shapes,
            )
            for name, slot in self.recipe.discriminators.items()
        }
        graph.evaluators, graph.sync_evaluator = self.evaluators(world)
        if self.recipe.landmarks is not None:
            graph.landmarks = self.part("landmarks", self.recipe.landmarks)
        return graph

    def evaluators(self, world: DataSpec) -> tuple[dict[str, Any], Any]:
        """Build the networks that only metrics use: the evaluators, and the sync evaluator or None."""
        slots, sync = self.recipe.evaluators, self.recipe.sync_evaluator
        faces = {
            name: self._face(f"evaluator.{name}", slot, label_of_evaluator(name, slots), world)
            for name, slot in slots.items()
        }
        return faces, None if sync is None else self.part("sync_evaluator", sync, size=world.size)

    def stages(self, graph: Graph, device: torch.device) -> dict[str, Stage | Job]:
        """Build the stages on a graph; their losses may have buffers, which are placed on the device."""
        with device:
            return {name: self.make(slot, graph=graph) for name, slot in self.recipe.stages.items()}

    def save_bundle(self, folder: Path, graph: Graph, codes: LabelCodes | None = None) -> None:
        """Write the model that a graph trained, and the codes of its labels: a folder that stands alone."""
        identity = graph.teachers.get("identity")
        spec = ModelSpec(
            graph.data_spec,
            {side: student.dim for side, student in graph.students.items()},
            list(identity.map_shapes) if identity else [],
        )
        slots, alignment = model_slots(self.recipe), self.recipe.alignment
        watermark = watermark_slot(self.recipe, self.registry)
        save_bundle(folder, graph, slots, spec, alignment, self.registry, __version__, codes, watermark)

    def _face(self, part: str, slot: Slot, label: str, world: DataSpec) -> Any:
        return self.part(part, slot, size=world.size, labels=world.labels.get(label, ()))


def model_slots(recipe: Recipe) -> ModelSlots:
    """Select the components of a recipe that a trained model consists of."""
    return ModelSlots(recipe.audio_encoder, recipe.students, recipe.generator)


def watermark_slot(recipe: Recipe, registry: Registry) -> Slot | None:
    """Return the watermark of a recipe's videos, or the default one; None if neither is installed."""
    return recipe.watermark or default_watermark(registry)


def build_dataset(slot: Slot, seed: int, registry: Registry) -> Dataset:
    """Build the dataset that a slot names; footage comes as the corpus that is cut out of it."""
    built = registry.get(slot.kind, slot.use).load()(slot.options, seed=seed)
    if not isinstance(built, Footage):
        dataset: Dataset = built
        return dataset
    options = slot.options
    assert isinstance(options, FootageOptions)
    detector = options.face_detector or only_detector(registry)
    make = partial(registry.get(detector.kind, detector.use).load(), detector.options)
    corpus: Any = FootageCorpus(slot.use, options, built, seed, detector, make)
    return cast(Dataset, corpus)


def only_detector(registry: Registry) -> Slot:
    """Choose the face detector if none is named: the one with landmarks."""
    entries = [e for e in registry.of_kind("face_detector") if "landmarks" in e.gives]
    if len(entries) != 1:
        known = ", ".join(registry.names("face_detector"))
        raise RecipeError(
            "no face detector is named",
            hint=f"add `face_detector: NAME` to the dataset's options; known: {known}",
        )
    return Slot("face_detector", entries[0].name, entries[0].options())


def data_spec_of(dataset: Dataset) -> DataSpec:
    """Return the sizes of a dataset that everything else follows."""
    return DataSpec(dataset.size, dataset.fps, dataset.sample_rate, dict(dataset.labels))


def parameters_of(module: nn.Module) -> int:
    """Count the parameters of a module."""
    return sum(p.numel() for p in module.parameters())


def describe_graphs(recipe: Recipe, registry: Registry) -> list[dict[str, Any]]:
    """List the training and the inference graph: part, component, what flows, parameters."""
    return describe(Builder(recipe, registry).graph(), part_slots(recipe))


def describe(graph: Graph, slots: dict[str, Slot]) -> list[dict[str, Any]]:
    """List a built graph as `describe_graphs` does; `slots` says where each part comes from."""
    rows = []
    for name, module in graph.modules().items():
        takes, gives = _flow(name, graph)
        row = {
            "part": name,
            "component": slots[name].use,
            "takes": takes,
            "gives": gives,
            "parameters": parameters_of(module),
        }
        rows.append({"graph": "training", **row})
        if name.split(".")[0] in ("encoder", "student", "generator"):
            rows.append({"graph": "inference", **row})
    return sorted(rows, key=lambda row: row["graph"] == "inference")


def part_slots(recipe: Recipe) -> dict[str, Slot]:
    """Name every part of a recipe and the slot it comes from."""
    slots = {"encoder": recipe.audio_encoder, "generator": recipe.generator}
    if recipe.sync_evaluator is not None:
        slots["sync_evaluator"] = recipe.sync_evaluator
    if recipe.landmarks is not None:
        slots["landmarks"] = recipe.landmarks
    groups: dict[str, dict[str, Slot]] = {
        "teacher": recipe.teachers,
        "student": recipe.students,
        "discriminator": recipe.discriminators,
        "evaluator": recipe.evaluators,
    }
    for kind, group in groups.items():
        slots.update({f"{kind}.{name}": slot for name, slot in group.items()})
    return slots


def _flow(name: str, graph: Graph) -> tuple[str, str]:
    size, encoder = graph.data_spec.size, graph.encoder
    kind, _, side = name.partition(".")
    image = f"(N, 3, {size}, {size})"
    if kind == "encoder":
        return ("speech (B, S)", f"features (B, A, {encoder.dim}), summary (B, {encoder.summary_dim})")
    if kind == "sync_evaluator" and graph.sync_evaluator is not None:
        return "frames + speech", f"lips and speech (B, N, {graph.sync_evaluator.dim}) each"
    if kind == "landmarks":
        return f"images {image}", "points (N, P, 3)"
    if kind == "student":
        return f"summary (B, {encoder.summary_dim})", f"{side} (B, {graph.students[side].dim})"
    if kind in ("teacher", "evaluator"):
        face = (graph.teachers if kind == "teacher" else graph.evaluators)[side]
        maps = "".join(f", {c}x{h}x{w}" for c, h, w in face.map_shapes if kind == "teacher")
        return f"images {image}", f"{face.gives} (N, {face.dim}){maps}"
    if kind == "discriminator":
        return " + ".join(graph.discriminators[side].input_names()), "scores"
    codes = [f"{k} {v.dim}" for k, v in graph.students.items()] + [
        field.name for field in graph.generator_fields()
    ]
    return " + ".join([f"features {encoder.dim}", *codes]), f"frames (B, V, 3, {size}, {size})"
