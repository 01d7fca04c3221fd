"""The stages of a recipe as a cached graph: what depends on what, and what is already done."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from s2vkit.build import part_slots
from s2vkit.device import Policy
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.stage import Job, Stage
from s2vkit.options import Slot
from s2vkit.recipe.schema import Recipe
from s2vkit.recipe.stages import after, ordered_stages
from s2vkit.registry import Registry
from s2vkit.runs.digest import digest, owners_of, result_options
from s2vkit.runs.progress import CHANGED, Progress, identity_of, progress_of_job, progress_of_stage
from s2vkit.runs.segments import Segment
from s2vkit.runs.validating import check_validation, measuring_parts, validation_of

DEVICES, PRECISIONS = ("cpu", "cuda", "mps"), ("fp32", "bf16", "fp16")


@dataclass
class Step:
    """One stage of the run: what it is, what it depends on, and how far it is."""

    name: str
    stage: Stage | Job
    identity: str  # of all that its result follows from, except its own schedule
    idle: str  # why there is nothing to do; empty: there is
    progress: Progress
    before: frozenset[str]  # stages that must be done first

    @property
    def done(self) -> bool:
        """Whether its result is there, and what was asked for."""
        return self.progress.done

    @property
    def seconds(self) -> float | None:
        """How long it took, if it is done."""
        return self.progress.seconds

    @property
    def segments(self) -> list[Segment]:
        """The schedule that it will have been trained at, once it is done."""
        return self.progress.segments

    @property
    def result(self) -> str:
        """What tells its result from every other: its identity and its schedule."""
        return result_of(self.identity, self.segments)


def result_of(identity: str, segments: list[Segment]) -> str:
    """Hash what the result of a stage follows from."""
    return digest(identity, [segment.dump() for segment in segments])


class Plan:
    """The steps of a recipe in order, each with the identity of its result.

    There is one notion of the same result, which guards finished stages, those taken over from
    other runs, and caches: the options with the role `result` of all that a stage uses, the versions
    of their plugins, the clips, what the stage reads of them, the seed, and the device and
    precision that it is computed with. A stage depends on the schedule of those before it too.

    `corpus` is the identity of a corpus that is prepared already; without one, the clips
    follow from the recipe's options. `started` has the hash of the weights of each part that
    does not start from random ones.
    """

    def __init__(
        self,
        recipe: Recipe,
        registry: Registry,
        graph: Graph,
        stages: Mapping[str, Stage | Job],
        run: Path,
        policy: Policy,
        corpus: str = "",
        started: Mapping[str, str] | None = None,
    ) -> None:
        self.recipe, self.registry, self.graph, self.run = recipe, registry, graph, run
        self.slots, self.policy = part_slots(recipe), policy
        self.started = started or {}
        self.data = digest("data", *([corpus] if corpus else [self._slot(recipe.data), recipe.seed]))
        world = [graph.data_spec.size, graph.data_spec.fps, graph.data_spec.sample_rate]
        self.versions = {
            name: digest(name, self._slot(slot), recipe.seed, world, *_hash_of(name, self.started))
            for name, slot in self.slots.items()
        }
        self._trainer: dict[str, str] = {}  # part -> the last stage so far that moves it
        self.steps = [self._step(name, stages[name]) for name in ordered_stages(recipe)]

    def _step(self, name: str, stage: Stage | Job) -> Step:
        chosen, measuring = self.recipe.stages[name], self._measuring(name, stage)
        decides = isinstance(stage, Stage) and stage.validation is not None and stage.validation.decides()
        uses = sorted(self._uses(stage) | (measuring if decides else set()))
        depends_on = (
            name,
            self._slot(chosen),
            self.recipe.seed,
            self.data,
            [self.versions[p] for p in uses],
            self._reads(stage),
        )
        identity = digest(*depends_on, *computed_with(self.policy, stage))
        before = {self._trainer[part] for part in {*uses, *measuring} if part in self._trainer}
        idle = stage.idle() if isinstance(stage, Stage) else ""
        progress = Progress() if idle else self._progress(name, stage, identity)
        if progress.note == CHANGED and (where := computed_before(self._folder(name), depends_on)):
            progress = replace(progress, note=f"computed {where} before, so again")
        step = Step(name, stage, identity, idle, progress, frozenset(before | set(after(chosen))))
        if isinstance(stage, Stage) and not idle:
            for part in stage.optimizers():
                self.versions[part], self._trainer[part] = step.result, name
        return step

    def _progress(self, name: str, stage: Stage | Job, identity: str) -> Progress:
        folder = self._folder(name)
        if isinstance(stage, Job):
            return progress_of_job(folder, identity, [self.run / file for file in stage.leaves])
        return progress_of_stage(folder, identity, stage.options)

    def _folder(self, name: str) -> Path:
        return self.run / "stages" / name

    def _reads(self, stage: Stage | Job) -> dict[str, Any]:
        """Return what a stage reads of the clips, and the alignment of speech if it matters."""
        reads: dict[str, Any] = {"fields": [field.describe() for field in stage.fields]}
        encoded = any("encoder" in field.networks() for field in stage.fields)
        if encoded or (isinstance(stage, Job) and "encoder" in self._uses(stage)):
            reads["alignment"] = self.recipe.alignment.model_dump()
        if isinstance(stage, Stage):
            reads |= {"same_speaker": stage.same_speaker, "sample_rate": self.graph.encoder.sample_rate}
        return reads

    @property
    def draws(self) -> bool:
        """Return whether the generator has learnt to draw, or never had to."""
        generator = self.graph.generator
        assert generator is not None  # every recipe has one
        ready = generator.pretrained or next(_parameters(generator), None) is None
        return ready or "generator" in self.taught()

    def with_needs(self, names: Collection[str]) -> set[str]:
        """Name the stages `names` and those that must be done before them; all, where none is named."""
        chosen = set(names) or {step.name for step in self.steps}
        for step in reversed(self.steps):
            if step.name in chosen:
                chosen |= step.before
        return chosen

    def taught(self) -> frozenset[str]:
        """Name the parts that a stage trains, or trained in the run that this one starts from."""
        return frozenset(self._trainer) | frozenset(self.started)

    def _uses(self, stage: Stage | Job) -> set[str]:
        """Name the parts whose weights a stage depends on."""
        if isinstance(stage, Job):
            return {part for part in self.slots if part.split(".")[0] in stage.uses}
        networks = {name for field in stage.fields for name in field.networks()}
        used = networks | set(stage.uses) | set(stage.optimizers())
        used |= {_whole(part) for part in used}
        inner = {part for part in self._trainer if _whole(part) in used & set(self.slots)}
        return (used & set(self.slots)) | inner

    def _measuring(self, name: str, stage: Stage | Job) -> set[str]:
        """Name the parts that a stage's validation uses. Raises RecipeError if it cannot measure."""
        if not isinstance(stage, Stage) or stage.idle():
            return set()
        modules = self.graph.modules()
        parts = measuring_parts(validation_of(stage), self.slots, self.registry)
        untrained = {
            part for part in parts - self.taught() if not getattr(modules[part], "pretrained", False)
        }
        check_validation(name, stage, untrained, self.registry)
        return parts

    def frozen_key(self, part: str, content: str, weights: str, *how: Any) -> str:
        """Name what a frozen part gives: of which clips, with which weights, how prepared."""
        device = self.policy.device.type
        rates = [self.graph.data_spec.fps, self.graph.data_spec.sample_rate]
        return digest("frozen", content, weights, self._slot(self.slots[part]), device, rates, *how)

    def _slot(self, slot: Slot) -> list[Any]:
        """Return a slot and all slots in it as plain data, with the owners of their code.

        The files of a corpus are the dataset's own affair, and may be many: their names count.
        """
        options = slot.dump() if slot.kind == "dataset" else result_options(slot)
        return [options, sorted(owners_of(slot, self.registry))]


def _hash_of(name: str, started: Mapping[str, str]) -> list[str]:
    return [started[name]] if name in started else []


def computed_with(policy: Policy, stage: Stage | Job) -> list[str]:
    """Name the kind of device and the precision, which weights follow from; jobs compute in fp32."""
    return [policy.device.type, policy.of(stage).precision if isinstance(stage, Stage) else "fp32"]


def computed_before(folder: Path, depends_on: tuple[Any, ...]) -> str:
    """Name the device and precision of what a folder holds, if it differs in nothing else; else empty."""
    before = identity_of(folder)
    found = (
        f"on {device} in {precision}"
        for device in DEVICES
        for precision in PRECISIONS
        if before and digest(*depends_on, device, precision) == before
    )
    return next(found, "")


def _whole(part: str) -> str:
    """Name what a part is in: `generator` of `generator.hearing`."""
    return part.rpartition(".")[0]


def _parameters(module: Any) -> Iterator[Any]:
    return iter(module.parameters()) if module is not None else iter(())
