"""Starting the server: its model, its threads, its socket."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from s2vkit.errors import InputError
from s2vkit.inference.marking import marker_of
from s2vkit.inference.model import load_model
from s2vkit.serve.app import build_app
from s2vkit.serve.guard import Door, is_local
from s2vkit.serve.limits import Limits
from s2vkit.serve.service import Service, model_name
from s2vkit.serve.workers import Workers

TOKEN = "S2VKIT_TOKEN"  # the variable of the environment that holds a token of one's choice
_MESSAGE = 1_100_000  # bytes of one message of a WebSocket
_CONNECTIONS = 1024  # at once
_LONGEST_TOKEN = 512


class _Upgrade(WebSocketsSansIOProtocol):
    """Answers a WebSocket's opening that is no valid request, which uvicorn leaves without an answer."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self.transport.write(
                b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )
            self.transport.close()


@dataclass(frozen=True)
class Serving:
    """How a model is served."""

    host: str = "127.0.0.1"
    port: int = 8000
    names: tuple[str, ...] = ()
    device: str = "auto"
    precision: str = "fp32"
    workers: int | None = None
    mark: bool = True
    sign_with: tuple[Path, Path] | None = None
    limits: Limits = field(default_factory=Limits)


def serve(path: Path, how: Serving, say: Callable[[str], None]) -> None:
    """Serve the model of a run or a bundle until it is told to end. Raises S2vkitError."""
    service = open_service(path, how)
    token = _token(how.host)
    for note in service.describe()["notes"]:
        say(f"note: {note}")
    with _listen(how.host, how.port) as listening:
        port = listening.getsockname()[1]
        shown = f"[{how.host}]" if ":" in how.host else how.host
        say(f"serving {service.name} at http://{shown}:{port}/{f'#token={token}' if token else ''}")
        app = build_app(service, Door(is_local(how.host), how.names, token))
        uvicorn.Server(configure(app)).run([listening])


def open_service(path: Path, how: Serving) -> Service:
    """Load the model and what it needs. Raises S2vkitError."""
    model = load_model(path, device=how.device, precision=how.precision)
    marking = marker_of(model.path, sign_with=how.sign_with) if how.mark else None
    count = how.workers or os.cpu_count() or 1
    torch.set_num_threads(1)  # many small pieces at once: each is drawn by one thread
    return Service(model, model_name(path), marking, how.limits, Workers(count, max(1, count // 2)))


def _token(host: str) -> str | None:
    """Return the token that clients need: one of the environment, or a new one where others can connect."""
    chosen = os.environ.get(TOKEN, "")
    if chosen and (len(chosen) > _LONGEST_TOKEN or not chosen.replace("-", "").replace("_", "").isalnum()):
        raise InputError(
            f"{TOKEN}: a token is letters, digits, - and _, at most {_LONGEST_TOKEN}",
            hint="leave it unset, and one is made",
        )
    return chosen or (None if is_local(host) else secrets.token_urlsafe(24))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen at {host}, port {port}: {error}", hint="choose another by --host and --port"
        ) from error


def configure(app: object, port: int = 0) -> uvicorn.Config:
    """Return how uvicorn serves the application."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        port=port,
        log_level="error",  # a warning is what anyone can cause
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anyone can send them
        ws=_Upgrade,
        ws_max_size=_MESSAGE,
        ws_max_queue=8,
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # a client that is slowed down by TCP cannot answer in time
        timeout_graceful_shutdown=3,
        limit_concurrency=_CONNECTIONS,
    )
