"""Building what a protocol names: the face detector and the metrics."""

from __future__ import annotations

import hashlib
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
from s2vkit.videos.protocol import WITHOUT_TRUTH, Protocol


def build_detector(protocol: Protocol, registry: Registry) -> FaceDetector:
    """Build the face detector of a protocol, or the installed one with landmarks."""
    slot = protocol.face_detector or only_detector(registry)
    detector: FaceDetector = registry.get(slot.kind, slot.use).load()(slot.options)
    return detector


def metric_makers(
    protocol: Protocol, registry: Registry, with_truth: bool
) -> tuple[dict[str, Any], list[str]]:
    """Return what makes each metric, and the names of those that need a real video and have none.

    Raises InputError if a metric needs a network that is not there, or none is left.
    """
    made, needing = {}, []
    for name, slot in protocol.metrics.items():
        entry = registry.get("metric", slot.use)
        _check_wants(name, slot, entry.wants)
        if "landmarks" in entry.wants and protocol.landmarks is None:
            known = ", ".join(registry.names("landmarks"))
            raise InputError(
                f"metric '{name}' ({slot.use}) measures the points of faces, which nothing finds",
                hint=f"add `--set landmarks=NAME`; known: {known}",
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


def _check_wants(name: str, slot: Slot, wants: tuple[str, ...]) -> None:
    networks = [
        want for want in wants if want.startswith(("evaluator", "sync_evaluator", "summary", "codes"))
    ]
    if networks:
        raise InputError(
            f"metric '{name}' ({slot.use}) needs {networks[0]}, which videos alone do not bring",
            hint="leave it out, or evaluate a run: `s2vkit evaluate RUN`",
        )


def build_landmarks(protocol: Protocol, registry: Registry) -> Landmarks | None:
    """Build what finds the points of faces, if a protocol names it."""
    slot = protocol.landmarks
    if slot is None:
        return None
    finder: Landmarks = registry.get(slot.kind, slot.use).load()(slot.options)
    return finder.eval()


def weights_of(part: Any) -> str:
    """Return a hash of the weights of a component: its networks', and its `file`; empty if it has none."""
    networks = {name: value for name, value in vars(part).items() if isinstance(value, nn.Module)}
    if isinstance(part, nn.Module):
        networks[""] = part
    digest = hashlib.sha256()
    for name, network in sorted(networks.items()):
        for key, value in sorted(network.state_dict().items()):
            digest.update(f"{name}/{key}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    file = getattr(part, "file", None)
    if isinstance(file, Path):
        digest.update(sha256_of(file).encode())
    return digest.hexdigest()[:12] if networks or file else ""
