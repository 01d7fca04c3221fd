"""Building what a protocol names: the face detector and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from s2vkit.build import only_detector
from s2vkit.errors import InputError
from s2vkit.files import sha256_of
from s2vkit.interfaces.face_detector import FaceDetector
from s2vkit.interfaces.landmarks import Landmarks
from s2vkit.options import Slot
from s2vkit.registry import Registry
from s2vkit.runs.digest import digest, digest_of_module
from s2vkit.videos.protocol import WITHOUT_TRUTH, Protocol

_OF_RUNS = ("summary", "codes", "mouth_aperture", "eyelid_closure")  # what only a run's corpus brings


def build_detector(protocol: Protocol, registry: Registry) -> FaceDetector:
    """Build the face detector of a protocol, or the installed one with landmarks."""
    slot = protocol.face_detector or only_detector(registry)
    detector: FaceDetector = registry.get(slot.kind, slot.use).load()(slot.options)
    return detector


def metric_makers(
    protocol: Protocol, registry: Registry, with_truth: bool, lacks: Callable[[str], bool]
) -> tuple[dict[str, Any], list[str]]:
    """Return what makes each metric, and the names of those that need a real video and have none.

    `lacks` says of a network by its name whether it is not there. Raises InputError if a metric
    needs one that is not there, or no metric is left.
    """
    made, needing = {}, []
    for name, slot in protocol.metrics.items():
        entry = registry.get("metric", slot.use)
        _check_wants(name, slot, entry.wants, lacks)
        if "landmarks" in entry.wants and protocol.landmarks is None and lacks("landmarks"):
            known = ", ".join(e.name for e in registry.of_kind("landmarks") if not e.wants)
            raise InputError(
                f"metric '{name}' ({slot.use}) measures the points of faces, which nothing finds",
                hint=f"add `--set landmarks=NAME` ({known}), or take those of a run: --networks RUN",
            )
        if with_truth or WITHOUT_TRUTH in entry.gives:
            made[name] = partial(entry.load(), slot.options)
        else:
            needing.append(name)
    if not made:
        raise InputError(
            f"each of {', '.join(needing)} compares with real videos" if needing else "no metric is named",
            hint="give the real videos by --truth DIR, or name another metric by --metric",
        )
    return made, needing


def _check_wants(name: str, slot: Slot, wants: tuple[str, ...], lacks: Callable[[str], bool]) -> None:
    for want in wants:
        network = want.split(".")[0] in ("evaluator", "evaluators", "sync_evaluator")
        if want in _OF_RUNS or (network and lacks(want)):
            raise InputError(
                f"metric '{name}' ({slot.use}) needs {want}, which videos alone do not bring",
                hint="take the evaluators of a finished run, `--networks RUN`, or leave it out"
                if network
                else "leave it out, or evaluate a run: `s2vkit evaluate RUN`",
            )


def build_landmarks(protocol: Protocol, registry: Registry) -> Landmarks | None:
    """Build what finds the points of faces, if a protocol names it.

    Raises InputError if it is one that a run must have trained.
    """
    slot = protocol.landmarks
    if slot is None:
        return None
    finder: Landmarks = registry.get(slot.kind, slot.use).load()(slot.options)
    if not finder.pretrained:
        raise InputError(
            f"landmarks '{slot.use}' has no weights, so its figures would mean nothing",
            hint="leave out `landmarks` and take a run's by --networks RUN",
        )
    return finder.eval()


def weights_of(part: Any) -> str:
    """Return a hash of the weights of a component: its networks', and its `file`; empty if it has none."""
    inner = [part] if isinstance(part, nn.Module) else vars(part).values()
    networks = [network for network in inner if isinstance(network, nn.Module) and network.state_dict()]
    found = [digest_of_module(network) for network in networks]
    file = getattr(part, "file", None)
    if isinstance(file, Path):
        found.append(sha256_of(file))
    return digest(found)[:12] if found else ""
