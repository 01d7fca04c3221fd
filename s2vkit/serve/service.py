"""What the routes share: the model, its marks, the threads, the sessions, and the limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from s2vkit import __version__
from s2vkit.errors import InputError
from s2vkit.inference.live_film import LiveFilm
from s2vkit.inference.marking import NOT_MARKED
from s2vkit.inference.model import TalkingFaceModel
from s2vkit.inference.steering import Steering
from s2vkit.marking.marker import Marker
from s2vkit.serve.api_error import ApiError, api_error_of
from s2vkit.serve.bodies import SessionWish, Wish
from s2vkit.serve.limits import Limits
from s2vkit.serve.session import Session
from s2vkit.serve.sessions import Sessions
from s2vkit.serve.workers import Workers


class Service:
    """One model and its clients."""

    def __init__(
        self, model: TalkingFaceModel, name: str, marking: Marker | None, limits: Limits, workers: Workers
    ) -> None:
        if model.needs_image:
            raise InputError(
                f"{model.path}: this model animates an image of the speaker, which a server does not take",
                hint="serve a model that needs speech alone, or use `s2vkit generate --image`",
            )
        self.model, self.name, self.marking = model, name, marking
        self.limits, self.workers = limits, workers
        self.live = _goes_live(model)
        self.waiting = 0  # recordings drawn or waiting
        self.sessions = Sessions(limits)

    def describe(self) -> dict[str, Any]:
        """Describe the model for a client."""
        model = self.model
        return {
            "id": self.name,
            "size": model.size,
            "fps": model.fps,
            "sample_rate": model.sample_rate,
            "identities": list(model.voices),
            "emotions": list(model.emotions),
            "live": self.live,
            "marks": self.marks(),
            "notes": list(self.marking.notes) if self.marking else [NOT_MARKED],
        }

    def marks(self, *, live: bool = False) -> list[str]:
        """Name the marks that a video bears; a live stream cannot be signed."""
        marking = self.marking
        if marking is None:
            return []
        found = {"watermark": marking.watermark is not None, "signature": marking.signer and not live}
        return [name for name, there in found.items() if there]

    def health(self) -> dict[str, Any]:
        """Describe the state of the server."""
        return {
            "status": "ok",
            "version": __version__,
            "recordings": self.waiting,
            "sessions": len(self.sessions),
        }

    def begin(self, wish: SessionWish) -> Session:
        """Begin a live session. Raises ApiError."""
        if not self.live:
            raise ApiError(
                409, "not_live", "this model cannot go live", "send a whole recording to POST /v1/videos"
            )
        rate, steering = wish.sample_rate, self.steer(wish, wish.sample_rate)

        def make(target: BinaryIO) -> LiveFilm:
            return LiveFilm(self.model, steering, rate, target, marking=self.marking)

        session = Session(make, rate, self.workers, self.limits)
        self.sessions.add(session)
        return session

    def describe_session(self, session: Session) -> dict[str, Any]:
        """Describe a session to its client."""
        model = self.model
        facts = {"sample_rate": session.sample_rate, "size": model.size, "fps": model.fps}
        return {"id": session.id, **facts, "marks": self.marks(live=True)}

    def steer(self, wish: Wish, sample_rate: int) -> dict[str, Steering]:
        """Turn what is asked for into steering. Raises ApiError."""
        try:
            return self.model.steer(sample_rate, identity=wish.identity, emotion=wish.emotion)
        except InputError as error:
            raise api_error_of(error) from error


def model_name(path: Path) -> str:
    """Name the model of a run or a bundle after its folder."""
    path = path.expanduser().resolve()
    return path.parent.name if path.name == "model" else path.name


def _goes_live(model: TalkingFaceModel) -> bool:
    try:
        with model.stream(model.sample_rate):
            return True
    except InputError:
        return False
