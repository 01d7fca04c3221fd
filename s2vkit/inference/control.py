"""What a caller may ask of a model beside its speech, turned into steering."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypedDict

import numpy as np
from torch import Tensor

from s2vkit.errors import InputError
from s2vkit.inference.codes import LabelCodes
from s2vkit.inference.steering import Request, Steering, fixed, over_time, steer

Track = Mapping[str, Sequence[tuple[float, Request]]]
"""Requests over time, side -> (seconds, request) in the order of time."""


class Control(TypedDict, total=False):
    """What may be asked for; all of it is optional.

    Speech is float32 (S,) at the sample rate of the call, a picture uint8 (size, size, 3).
    """

    identity: Request | None  # of `voices`
    emotion: Request | None  # of `emotions`
    identity_from: np.ndarray | None  # speech of another, whose face is taken
    emotion_from: np.ndarray | None  # other speech, whose emotion is taken
    identity_image: np.ndarray | None  # a face; needs the run's identity teacher
    track: Track | None  # either side, or any other of the model's, over time


def steering_of(
    control: Control,
    codes: LabelCodes,
    sides: Sequence[str],
    heard: Callable[[np.ndarray], Mapping[str, Tensor]],
    seen: Callable[[np.ndarray], Tensor],
) -> dict[str, Steering]:
    """Turn control into steering by side.

    `heard` gives the codes (1, dim) of speech, `seen` the identity code (dim,) of a face. Raises
    InputError if a side is asked for twice, or is none of the model's.
    """
    found: dict[str, Steering] = {}
    for side, make in _requests(control, codes, heard, seen):
        if side not in sides:
            raise InputError(
                f"this model has no '{side}' to choose", hint=f"it has {', '.join(sides) or 'none at all'}"
            )
        if side in found:
            raise InputError(f"{side} is asked for in two ways", hint="keep one of them")
        found[side] = make()
    return found


def _requests(
    control: Control,
    codes: LabelCodes,
    heard: Callable[[np.ndarray], Mapping[str, Tensor]],
    seen: Callable[[np.ndarray], Tensor],
) -> Iterator[tuple[str, Callable[[], Steering]]]:
    """Return each side that is asked for, and what makes its steering."""
    for side, request in (("identity", control.get("identity")), ("emotion", control.get("emotion"))):
        if request is not None:
            yield side, partial(steer, side, codes.get(side, {}), request)
    for side, speech in (
        ("identity", control.get("identity_from")),
        ("emotion", control.get("emotion_from")),
    ):
        if speech is not None:
            yield side, partial(_heard_in, side, speech, heard)
    if (image := control.get("identity_image")) is not None:
        yield "identity", partial(_seen_in, image, seen)
    for side, requests in (control.get("track") or {}).items():
        yield side, partial(over_time, side, codes.get(side, {}), requests)


def _heard_in(side: str, speech: np.ndarray, heard: Callable[[np.ndarray], Mapping[str, Tensor]]) -> Steering:
    return fixed(heard(speech)[side][0])


def _seen_in(image: np.ndarray, seen: Callable[[np.ndarray], Tensor]) -> Steering:
    return fixed(seen(image))
