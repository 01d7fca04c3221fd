"""Contract checks for authors of plugins: does a component keep what its kind promises?

from s2vkit.testing import check_component
check_component("teacher", "my_net", width=0.25)
"""

from __future__ import annotations

from typing import Any

from s2vkit.errors import PluginError, ResourceError
from s2vkit.options import Slot, SlotOf
from s2vkit.plugins import registry
from s2vkit.recipe.check import Checker
from s2vkit.recipe.nodes import Map, Source, from_plain
from s2vkit.recipe.report import Problems
from s2vkit.registry import Entry
from s2vkit.testing import data, faces, learning, logs, marks, points, speech, sync
from s2vkit.testing.checking import ContractError, MissingPackageError, Subject, computing_on

__all__ = ["ContractError", "MissingPackageError", "check_component"]

_CHECKS = {
    "audio_encoder": speech.check_audio_encoder,
    "student": speech.check_student,
    "teacher": faces.check_teacher,
    "generator": faces.check_generator,
    "discriminator": faces.check_discriminator,
    "face_detector": faces.check_face_detector,
    "sync_evaluator": sync.check_sync_evaluator,
    "landmarks": points.check_landmarks,
    "loss": learning.check_loss,
    "optimizer": learning.check_optimizer,
    "watermark": marks.check_watermark,
    "logger": logs.check_logger,
    "stage": learning.check_stage,
    "dataset": data.check_dataset,
    "metric": data.check_metric,
}


def check_component(kind: str, name: str, *, device: str = "cpu", **options: Any) -> None:
    """Build an installed component at tiny sizes and check the contract of its kind.

    `options` are what a recipe would say of it, as plain data; slots are mappings with
    `use:`. Make it small where it can be (`width`, `channels`). Raises ContractError, an
    AssertionError that says what is broken; RecipeError if the options are wrong;
    PluginError if it is unknown or cannot be loaded; MissingPackageError if a package
    is not installed that only this component needs (a test should then skip). Networks,
    losses, stages and metrics compute on `device`.
    """
    entry = registry().get(kind, name)
    subject = Subject(entry, _load(entry), _options(entry, options), registry())
    try:
        with computing_on(device):
            _CHECKS[kind](subject)
    except (ImportError, ResourceError) as error:
        raise MissingPackageError(f"{kind} '{name}' cannot be checked here: {error}") from error


def _load(entry: Entry) -> Any:
    try:
        return entry.load()
    except PluginError as error:
        if isinstance(error.__cause__, ImportError):
            raise MissingPackageError(error.message, hint=error.hint) from error
        raise


def _options(entry: Entry, options: dict[str, Any]) -> Any:
    name = f"check_component({entry.kind!r}, {entry.name!r})"
    recipe = from_plain({"it": {"use": entry.name, **options}}, Source(name, "data"))
    assert isinstance(recipe, Map)
    problems = Problems()
    slot: Slot = Checker(registry(), problems).slot(SlotOf(entry.kind), recipe.items["it"], ())
    problems.raise_any(name)
    return slot.options
