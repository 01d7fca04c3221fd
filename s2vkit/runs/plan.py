"""The stages of a recipe as a cached graph: what depends on what, and what is already done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2vkit.build import part_slots
from s2vkit.files import read_json
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.stage import Job, Stage
from s2vkit.options import Slot
from s2vkit.recipe.schema import Recipe
from s2vkit.recipe.stages import after, ordered_stages
from s2vkit.registry import Registry
from s2vkit.runs.digest import name_files

HEARD = frozenset({"features", "around", "mismatched", "summary", "codes"})
"""What a batch may hold that an encoder has heard."""


@dataclass
class Step:
    """One stage of the run: what it is, what it depends on, and whether it is done."""

    name: str
    stage: Stage | Job
    fingerprint: str
    idle: str  # why there is nothing to do; empty: there is
    done: bool
    before: frozenset[str]  # stages that must be done first
    changed: bool = False  # it was done once, but something it depends on changed since
    seconds: float | None = None  # it took


class Plan:
    """The steps of a recipe in order, each with the fingerprint of all it depends on.

    `corpus` is the identity of a corpus that is prepared already; without one, the clips
    follow from the recipe's options.
    """

    def __init__(
        self,
        recipe: Recipe,
        registry: Registry,
        graph: Graph,
        stages: Mapping[str, Stage | Job],
        run: Path,
        corpus: str = "",
    ) -> None:
        self.recipe, self.registry, self.graph, self.run = recipe, registry, graph, run
        self.slots = part_slots(recipe)
        said = [corpus] if corpus else [self._slot(recipe.data), recipe.seed]
        self.data = self._hash("data", *said)
        world = [graph.world.size, graph.world.fps, graph.world.sample_rate]
        self.versions = {
            name: self._hash(name, self._slot(slot), recipe.seed, world) for name, slot in self.slots.items()
        }
        trained = [s for s in stages.values() if isinstance(s, Stage)]
        self.views = {
            side: max([s.views.get(side, 1) for s in trained], default=1) for side in graph.teachers
        }
        self.stretches = max([s.stretches for s in trained], default=0)
        self.maps = any("maps" in s.needs for s in trained)
        self._trainer: dict[str, str] = {}  # part -> the last stage so far that moves it
        self.steps = [self._step(name, stages[name]) for name in ordered_stages(recipe)]

    def _step(self, name: str, stage: Stage | Job) -> Step:
        chosen = self.recipe.stages[name]
        slot = self._slot(chosen)
        uses = sorted(self._uses(stage))
        depends = [self.versions[part] for part in uses]
        how = self._how() if "encoder" in uses else {}
        fingerprint = self._hash(name, slot, self.recipe.seed, self.data, depends, how)
        before = {self._trainer[part] for part in uses if part in self._trainer}
        idle = stage.idle() if isinstance(stage, Stage) else ""
        if isinstance(stage, Stage) and not idle:
            for part in stage.optimizers():
                self.versions[part], self._trainer[part] = fingerprint, name
        record = read_json(self.run / "stages" / name / "done.json") or {}
        done = record.get("fingerprint") == fingerprint and self._left(name, stage)
        return Step(
            name,
            stage,
            fingerprint,
            idle,
            done,
            frozenset(before | set(after(chosen))),
            changed=bool(record) and not done,
            seconds=record.get("seconds") if done else None,
        )

    @property
    def draws(self) -> bool:
        """Tell whether the generator has learnt to draw, or never had to."""
        generator = self.graph.generator
        ready = getattr(generator, "pretrained", False)
        ready = ready or next(_parameters(generator), None) is None
        return ready or "generator" in self._trainer

    def taught(self) -> frozenset[str]:
        """Name the parts that a stage trains."""
        return frozenset(self._trainer)

    def _left(self, name: str, stage: Stage | Job) -> bool:
        if isinstance(stage, Job):
            return all((self.run / file).exists() for file in stage.leaves)
        return (self.run / "stages" / name / "weights.safetensors").exists()

    def _uses(self, stage: Stage | Job) -> set[str]:
        """Name the parts whose weights a stage depends on."""
        if isinstance(stage, Job):
            return {part for part in self.slots if part.split(".")[0] in stage.uses}
        used = set(stage.optimizers()) & set(self.slots)
        used |= {"encoder"} if stage.needs & HEARD else set()
        of_need = {"codes": "student", "targets": "teacher"}
        for need, kind in of_need.items():
            if need in stage.needs:
                used |= {part for part in self.slots if part.split(".")[0] == kind}
        if "maps" in stage.needs:
            used.add("teacher.identity")
        return used

    def frozen_key(self, part: str, content: str, weights: str, *how: Any) -> str:
        """Name what a frozen part gives: of which clips, with which weights, how prepared."""
        return self._hash("frozen", content, weights, self._slot(self.slots[part]), *how)

    def _how(self) -> dict[str, Any]:
        return self.recipe.alignment.model_dump()

    def _slot(self, slot: Slot) -> list[Any]:
        """Give a slot and all slots in it as plain data, with the owners of their code.

        Of files, the content counts, not the name: a checkpoint may move, but not change. Those
        of a corpus are the dataset's own affair, and may be many.
        """
        said = slot.dump() if slot.kind == "dataset" else name_files(slot)
        return [said, sorted(self._owners(slot))]

    def _owners(self, slot: Slot) -> set[str]:
        found = {self.registry.get(slot.kind, slot.use).owner}
        values = [getattr(slot.options, name) for name in type(slot.options).model_fields]
        while values:
            value = values.pop()
            if isinstance(value, Slot):
                found |= self._owners(value)
            elif isinstance(value, dict):
                values.extend(value.values())
            elif hasattr(type(value), "model_fields"):
                values.extend(getattr(value, name) for name in type(value).model_fields)
        return found

    @staticmethod
    def _hash(*what: Any) -> str:
        text = json.dumps(what, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


def _parameters(module: Any) -> Iterator[Any]:
    return iter(module.parameters()) if module is not None else iter(())
