"""The evaluators that a finished run has trained, to measure videos of any source by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from s2vkit.benchmark.finished_runs import check_finished, read_recipe_of
from s2vkit.build import Builder, data_spec_of
from s2vkit.errors import InputError, RunFolderError
from s2vkit.options import Slot, label_of_evaluator
from s2vkit.recipe.load import load_recipe
from s2vkit.registry import Registry
from s2vkit.runs.start_from import trained_weights
from s2vkit.tensors import fit, under
from s2vkit.videos.build import weights_of


@dataclass(frozen=True)
class Networks:
    """Networks that only metrics use, frozen."""

    size: int = 0  # px of the faces that they were trained on
    evaluators: Mapping[str, Any] = field(default_factory=dict)  # by name
    sync_evaluator: Any = None
    landmarks: Any = None  # where the run has trained them

    def named(self) -> dict[str, Any]:
        """Return every network by its name in recipes: evaluator.NAME, sync_evaluator, landmarks."""
        found = {f"evaluator.{name}": network for name, network in self.evaluators.items()}
        others = {"sync_evaluator": self.sync_evaluator, "landmarks": self.landmarks}
        return found | {name: network for name, network in others.items() if network is not None}

    def weights(self) -> dict[str, str]:
        """Return a hash of each network's weights."""
        return {name: weights_of(network) for name, network in self.named().items()}

    def lacks(self, want: str) -> bool:
        """Return whether what a metric wants is a network that is not here."""
        kind, _, name = want.partition(".")
        if kind == "evaluators":
            return sum(label_of_evaluator(one, self.evaluators) == name for one in self.evaluators) < 2
        return want not in self.named()


NONE = Networks()


def with_sync_evaluator(networks: Networks, slot: Slot | None, size: int, registry: Registry) -> Networks:
    """Add the sync evaluator that a protocol names. Raises InputError if it has no weights from a file."""
    if slot is None:
        return networks
    network = registry.get(slot.kind, slot.use).load()(slot.options, size=size)
    if not network.pretrained:
        raise InputError(
            f"sync_evaluator '{slot.use}' has no weights, so its figures would mean nothing",
            hint="--set sync_evaluator.checkpoint=FILE, or take a run's by --networks RUN",
        )
    return replace(networks, sync_evaluator=network.eval().requires_grad_(False))


def networks_of(run: Path, registry: Registry) -> Networks:
    """Load the evaluators, the sync evaluator and the landmarks of a finished run; not its corpus.

    Raises RunFolderError if it is no finished run, or has trained none.
    """
    read_recipe_of(run)
    check_finished(run)
    recipe = load_recipe(run / "recipe.yaml", (), registry).recipe
    builder = Builder(recipe, registry)
    world = data_spec_of(builder.dataset())
    slot = recipe.landmarks
    trained = slot is not None and "landmarks" in registry.get(slot.kind, slot.use).wants
    finder = builder.part("landmarks", slot) if slot is not None and trained else None
    networks = Networks(world.size, *builder.evaluators(world), finder)
    found = networks.named()
    lacking = {name for name, network in found.items() if not network.pretrained}
    tensors = trained_weights(run)
    for name in list(lacking):
        if own := under(tensors, f"{name}/"):
            fit(found[name], own, run, name)
            lacking.discard(name)
    if lacking or not found:
        what = (
            f"its {sorted(lacking)[0]} was taught by no stage" if lacking else "its recipe names no evaluator"
        )
        raise RunFolderError(f"{run}: {what}", hint="name a run whose recipe trains evaluators")
    for network in found.values():
        network.eval().requires_grad_(False)
    return networks
