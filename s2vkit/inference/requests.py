"""What is asked for on the command line, read into the control of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2vkit.errors import InputError
from s2vkit.inference.control import Control
from s2vkit.inference.model import TalkingFaceModel
from s2vkit.inference.steering import Request, Steering, read_request
from s2vkit.inference.track import read_track
from s2vkit.media.image import read_image
from s2vkit.media.sound import read_speech


@dataclass(frozen=True)
class Asked:
    """Who shall speak and in what mood; a file is named by its path."""

    identity: str | None = None
    emotion: str | None = None
    identity_from: Path | None = None
    emotion_from: Path | None = None
    identity_image: Path | None = None
    mix: Sequence[str] = ()  # NAME=SHARE
    track: Path | None = None


def steering_for(model: TalkingFaceModel, asked: Asked) -> dict[str, Steering]:
    """Read the files that are named, and turn it all into steering. Raises InputError."""
    mixed, image = _mixed(model, asked.mix), asked.identity_image
    control: Control = {
        "identity": _one("identity", asked.identity, mixed),
        "emotion": _one("emotion", asked.emotion, mixed),
        "identity_from": _speech(model, asked.identity_from),
        "emotion_from": _speech(model, asked.emotion_from),
        "identity_image": None if image is None else read_image(image, model.size),
        "track": None if asked.track is None else read_track(asked.track),
    }
    return model.steer(model.sample_rate, **control)


def _one(side: str, request: Request | None, mixed: Mapping[str, Mapping[str, float]]) -> Request | None:
    if request is not None and side in mixed:
        raise InputError(f"{side} is asked for by --{side} and by --mix", hint="keep one of them")
    return mixed.get(side, request)


def _mixed(model: TalkingFaceModel, shares: Sequence[str]) -> dict[str, dict[str, float]]:
    """Find the side of each name that is mixed."""
    found: dict[str, dict[str, float]] = {}
    for share in shares:
        for name, strength in read_request("mix", share).items():
            sides = [side for side, codes in model.codes.items() if name in codes]
            if len(sides) != 1:
                known = ", ".join([*model.voices[:12], *model.emotions[:12]])
                what = f"names {' and '.join(sides)} alike" if sides else "is no name this model knows"
                raise InputError(f"--mix {share}: '{name}' {what}", hint=f"it knows {known}")
            found.setdefault(sides[0], {})[name] = strength
    return found


def _speech(model: TalkingFaceModel, path: Path | None) -> np.ndarray | None:
    return None if path is None else read_speech(path, model.sample_rate).samples
