"""The protocol of an evaluation: how videos of any source are brought to what metrics compare."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from s2vkit import __version__
from s2vkit.data.extraction.kinds import Cutting
from s2vkit.errors import RunFolderError
from s2vkit.options import FaceDetectorSlot, Field, LandmarksSlot, MetricSlot, Options, SyncEvaluatorSlot
from s2vkit.recipe.check import Checker
from s2vkit.recipe.convert import to_plain
from s2vkit.recipe.merge import lay_sets, read_recipe
from s2vkit.recipe.nodes import Map, Source, from_plain
from s2vkit.recipe.report import Problems
from s2vkit.registry import Registry

VERSION = 1
"""Of what is done to videos; raised where the same options would give other figures."""
WITHOUT_TRUTH = "without_truth"
"""What a metric gives that can measure a video with no real one beside it."""
_NOT_CONDITIONS = ("metrics",)  # a metric's own definition tells whether its figures compare


class Protocol(Options):
    """How every video is decoded, cropped and aligned, and what is measured."""

    size: int = Field(default=256, ge=32, le=1024, description="height and width of the cropped faces")
    fps: float = Field(default=25.0, ge=5.0, le=60.0, description="frames a second, by time stamps")
    sample_rate: int = Field(default=16000, ge=8000, le=48000, description="of the speech, in Hz")
    face_detector: FaceDetectorSlot | None = Field(
        default=None, description="finds the face to crop; null: the installed one with landmarks"
    )
    margin: float = Field(default=0.14, ge=0.0, le=2.0, description="added on each side of a face")
    steady: float = Field(default=0.3, ge=0.0, description="seconds over which the crop is smoothed")
    every: int = Field(default=10, ge=1, description="the detector runs on every n-th frame")
    detect_at: int = Field(default=192, ge=64, description="longest side of the detector's input, in pixels")
    min_face: int = Field(default=48, ge=1, description="pixels; a lower face cannot be evaluated")
    min_score: float = Field(default=0.9, ge=0.0, le=1.0, description="least score of a detection")
    dominance: float = Field(
        default=1.8, ge=1.0, description="a face so many times as high as the others is the speaker"
    )
    shortest: float = Field(default=0.5, gt=0.0, description="seconds; a shorter clip cannot be evaluated")
    longest: float = Field(default=30.0, gt=0.0, description="seconds; a longer video becomes several clips")
    align_within: float = Field(
        default=2.0, ge=0.0, description="seconds by which a video may start before or after the real one"
    )
    codec: Literal["as_is", "h264"] = Field(
        default="as_is",
        description="as_is: what the files hold; h264: all faces encoded alike first, real ones too, "
        "so that systems with files of different codecs can be compared",
    )
    crf: int = Field(default=18, ge=0, le=51, description="h264: the constant rate factor")
    landmarks: LandmarksSlot | None = Field(
        default=None, description="finds the points of faces, for metrics of their movement"
    )
    sync_evaluator: SyncEvaluatorSlot | None = Field(
        default=None, description="measures lips and speech; its weights are a file's; null: --networks"
    )
    metrics: dict[str, MetricSlot] = Field(default={}, description="what is measured, by name")

    def cutting(self) -> Cutting:
        """Return how a video is cut."""
        names = {field.name for field in fields(Cutting)} & set(type(self).model_fields)
        return Cutting(**{name: getattr(self, name) for name in names})


def load_protocol(
    file: Path | None, sets: Sequence[str], metrics: Mapping[str, str], registry: Registry
) -> Protocol:
    """Load a protocol from a file, or a shipped one by its name.

    `metrics` (name -> component) take the place of its own. Raises RecipeError with all problems.
    """
    problems = Problems()
    path = _shipped("protocol") if file is None else file
    if not path.exists() and _shipped(path.name).is_file():
        path = _shipped(path.name)
    root = read_recipe(path, problems)
    problems.raise_any(str(path))
    assert root is not None  # without a root, a problem was found
    if metrics:
        given = from_plain({"metrics": dict(metrics)}, Source("--metric", "data"))
        assert isinstance(given, Map)
        root = Map({**root.items, **given.items}, root.place, root.block)
    root = lay_sets(root, sets, problems)
    protocol = Checker(registry, problems).model(Protocol, root.items, (), root.place)
    problems.raise_any(str(path))
    return protocol


def _shipped(name: str) -> Path:
    return Path(str(files("s2vkit.videos") / f"{name}.yaml"))


def conditions(protocol: Protocol, codecs: Mapping[str, Sequence[str]], weights: Mapping[str, str]) -> Any:
    """Return all that figures depend on beside the videos and the metrics' own definitions."""
    options = {k: v for k, v in to_plain(protocol).items() if k not in _NOT_CONDITIONS}
    found = {"codec": dict(codecs)} if protocol.codec == "as_is" else {}
    return {**options, "found": found, "weights": dict(weights), "version": [VERSION, __version__]}


def hash_of(conditions: Any) -> str:
    """Return a short hash of a protocol's conditions."""
    text = json.dumps(conditions, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def check_same(protocols: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise RunFolderError if systems (title -> conditions) were not measured by one protocol."""
    (first, one), *others = protocols.items()
    for title, other in others:
        if hash_of(one) != hash_of(other):
            apart = [key for key in {**one, **other} if one.get(key) != other.get(key)]
            text = "; ".join(f"{key}: {one.get(key)} and {other.get(key)}" for key in apart)
            raise RunFolderError(
                f"'{first}' (protocol {hash_of(one)}) and '{title}' (protocol {hash_of(other)}) "
                f"cannot stand in one table: {text}",
                hint="evaluate them by one protocol; where codecs differ, `--set codec=h264` encodes "
                "all faces alike first",
            )
