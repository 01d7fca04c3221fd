"""The WebSocket /v1/live: speech and video of one session, in messages of a type and a payload."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from enum import IntEnum
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from s2vkit.errors import S2vkitError
from s2vkit.inference.live_film import PCM_BYTES
from s2vkit.serve.api_error import ApiError, api_error_of, unexpected
from s2vkit.serve.bodies import parse_json, read_wish
from s2vkit.serve.inbox import Inbox
from s2vkit.serve.service import Service
from s2vkit.serve.session import Session, check_pcm

_log = logging.getLogger("s2vkit.serve")
PROTOCOL = "s2vkit.v1"
_SHAKE = 10.0  # s that a client may take for its handshake
_STALLED = 15.0  # s that a client may leave a message unread
_BEHIND = 10.0  # s of speech that may wait to be drawn
_POLICY = 1008  # the close code of a client that does what it may not


class Kind(IntEnum):
    """The first byte of a message."""

    HANDSHAKE = 0
    AUDIO = 1  # to the server: 16-bit PCM
    VIDEO = 2  # to the client: a piece of fragmented MP4
    CONTROL = 3
    METADATA = 4
    ERROR = 5
    PING = 6


async def live(socket: WebSocket) -> None:
    """Hold one session over one WebSocket; it ends with it."""
    offered = socket.scope.get("subprotocols", ())
    await socket.accept(PROTOCOL if PROTOCOL in offered else None)
    service: Service = socket.app.state.service
    session: Session | None = None
    try:
        session = await _shake_hands(socket, service)
        await _converse(socket, session)
        raise ApiError(408, "idle", "the session was idle for too long, or ended", "begin another")
    except (ApiError, S2vkitError) as error:
        told = error if isinstance(error, ApiError) else api_error_of(error)
        await _close(socket, told)
    except (WebSocketDisconnect, TimeoutError, OSError):
        await _close(socket, None)
    except Exception as error:
        _log.error("/v1/live", exc_info=error)
        await _close(socket, unexpected())
    finally:
        if session is not None:
            service.sessions.remove(session)


async def _shake_hands(socket: WebSocket, service: Service) -> Session:
    """Read what is asked for, begin the session and describe it. Raises ApiError."""
    service.sessions.make_room()
    try:
        async with asyncio.timeout(_SHAKE):
            kind, payload = await _receive(socket)
    except TimeoutError:
        kind, payload = -1, b""
    if kind != Kind.HANDSHAKE:
        raise ApiError(400, "no_handshake", "the first message is no handshake", "send type 0 and JSON first")
    session = service.begin(read_wish(parse_json(payload)))
    try:
        await _send_json(socket, Kind.HANDSHAKE, {"protocol": 1, **service.describe_session(session)})
    except BaseException:
        service.sessions.remove(session)
        raise
    return session


async def _converse(socket: WebSocket, session: Session) -> None:
    """Receive, draw and send side by side, until one of them ends."""
    inbox = Inbox(int(_BEHIND * session.sample_rate * PCM_BYTES))
    tasks = [
        asyncio.ensure_future(work)
        for work in (_listen(socket, session, inbox), _draw(session, inbox), _tell(socket, session))
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(socket: WebSocket, session: Session, inbox: Inbox) -> None:
    while True:
        kind, payload = await _receive(socket)
        if kind == Kind.AUDIO:
            check_pcm(payload)
            await inbox.put(payload)
        elif kind == Kind.PING:
            await _send(socket, Kind.PING, payload[:125])
        elif kind == Kind.CONTROL:
            await _control(session, inbox, payload)


async def _control(session: Session, inbox: Inbox, payload: bytes) -> None:
    if payload == b"finish":
        await inbox.put(None)
    elif payload == b"interrupt":
        await inbox.clear()
        await session.interrupt()
    else:
        raise ApiError(400, "wrong_control", "a control message is `finish` or `interrupt`", "send one")


async def _draw(session: Session, inbox: Inbox) -> None:
    while True:
        pcm = await inbox.take()
        await (session.finish() if pcm is None else session.push(pcm))


async def _tell(socket: WebSocket, session: Session) -> None:
    while (part := await session.outbox.take()) is not None:
        if part.data:
            await _send(socket, Kind.VIDEO, part.data)
        else:
            await _send_json(
                socket, Kind.METADATA, {"event": part.event, "utterance": part.utterance, **part.facts}
            )


async def _receive(socket: WebSocket) -> tuple[int, bytes]:
    """Return a message's type and payload; text and empty ones have the type -1."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    data = message.get("bytes") or b""
    return (data[0], data[1:]) if data else (-1, b"")


async def _send(socket: WebSocket, kind: Kind, payload: bytes) -> None:
    async with asyncio.timeout(_STALLED):
        await socket.send_bytes(bytes([kind]) + payload)


async def _send_json(socket: WebSocket, kind: Kind, facts: dict[str, Any]) -> None:
    await _send(socket, kind, json.dumps(facts).encode())


async def _close(socket: WebSocket, error: ApiError | None) -> None:
    """Say why, and close; the client may have gone."""
    with suppress(WebSocketDisconnect, TimeoutError, RuntimeError, OSError):
        if error is not None:
            await _send_json(socket, Kind.ERROR, error.as_json()["error"])
        if socket.application_state is WebSocketState.CONNECTED:
            async with asyncio.timeout(1):
                await socket.close(_POLICY if error else 1000, error.code if error else "")
