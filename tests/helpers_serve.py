"""A server in a thread of this process, with a small untrained model, and requests to it."""

from __future__ import annotations

import http.client
import io
import json
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import torch
import uvicorn
from helpers_toy import REGISTRY, load_toy
from websockets.sync.client import connect

from s2vkit.build import Builder
from s2vkit.inference.marking import marker_of
from s2vkit.inference.model import load_model
from s2vkit.serve.app import build_app
from s2vkit.serve.guard import Door
from s2vkit.serve.limits import Limits
from s2vkit.serve.main import configure
from s2vkit.serve.service import Service
from s2vkit.serve.workers import Workers

CPC = "audio_encoder: {use: cpc, channels: 16, summary: layers}"
RATE = 16000


def make_bundle(folder: Path, encoder: str = CPC) -> Path:
    """Write a bundle of random weights with two labels of each side."""
    builder = Builder(load_toy(folder, more=(encoder,)).recipe, REGISTRY)
    graph, draw = builder.graph(), torch.Generator().manual_seed(0)
    names = {"identity": ("ann", "bob"), "emotion": ("neutral", "anger")}
    codes = {
        side: {name: torch.randn(student.dim, generator=draw) for name in names[side]}
        for side, student in graph.students.items()
    }
    builder.save_bundle(folder / "model", graph, codes)
    return folder / "model"


def make_service(bundle: Path, limits: Limits | None = None, **more: Any) -> Service:
    """Load a bundle to be served."""
    model = load_model(bundle, device="cpu", registry=REGISTRY)
    marking = marker_of(bundle, REGISTRY) if more.get("mark", True) else None
    return Service(model, "toy", marking, limits or Limits(), Workers(2, 1))


@contextmanager
def serving(service: Service, door: Door | None = None) -> Iterator[int]:
    """Serve at a free port of this machine, as the command does: the port."""
    server = uvicorn.Server(configure(build_app(service, door or Door()), port=0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Name the error, and check that it says what to do."""
        error = self.json["error"]
        assert error["message"]
        assert "Traceback" not in str(error)
        return str(error["code"])


def ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """Send one request; a dict is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        sent = json.dumps(body).encode() if isinstance(body, dict) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, sent, named)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()


class Socket:
    """A WebSocket to /v1/live; messages are a type and a payload."""

    def __init__(self, port: int, *, shake: bool = True, **wish: Any) -> None:
        self._opening = connect(f"ws://127.0.0.1:{port}/v1/live", proxy=None, max_size=None, compression=None)
        self._wish = wish if shake else None

    def __enter__(self) -> Socket:
        self.raw = self._opening.__enter__()
        if self._wish is not None:
            self.send(0, json.dumps(self._wish).encode())
        return self

    def __exit__(self, *error: Any) -> None:
        self._opening.__exit__(*error)

    def send(self, kind: int, payload: bytes) -> None:
        self.raw.send(bytes([kind]) + payload)

    def receive(self) -> tuple[int, bytes]:
        """Return the next message: its type and its payload."""
        message = self.raw.recv(timeout=60)
        assert isinstance(message, bytes)
        return message[0], message[1:]

    def until(self, kind: int, event: str = "") -> tuple[Any, bytes]:
        """Return the JSON of the next message of a type (and event), and the video that came before it."""
        video = b""
        while True:
            got, payload = self.receive()
            if got == 2:
                video += payload
            elif got == kind and (not event or json.loads(payload)["event"] == event):
                return json.loads(payload), video


def frames_of(video: bytes) -> int:
    """Count the pictures of a video that can be decoded."""
    with av.open(io.BytesIO(video)) as container:
        return sum(1 for _ in container.decode(video=0))


def samples(seconds: float, seed: int = 0) -> np.ndarray:
    """Return noise that stands for speech: float32 (S,)."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (0.1 * noise).clip(-1, 1).astype(np.float32)


def pcm(seconds: float, seed: int = 0) -> bytes:
    """Return the same as 16-bit PCM."""
    return (samples(seconds, seed) * 32767).astype("<i2").tobytes()


def wav(seconds: float, seed: int = 0) -> bytes:
    """Return the same as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(pcm(seconds, seed))
    return file.getvalue()
