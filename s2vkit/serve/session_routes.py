"""Live sessions over plain HTTP: chunks of speech go in, one stream comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from s2vkit.serve.api_error import ApiError
from s2vkit.serve.bodies import read_bytes, read_json, read_wish
from s2vkit.serve.service import Service
from s2vkit.serve.session import Session

_CHUNK = 1_000_000  # bytes


async def begin(request: Request) -> Response:
    """Begin a session; the body says, as JSON, who shall speak and in what mood."""
    service = _service(request)
    service.sessions.make_room()
    session = service.begin(read_wish(await read_json(request)))
    return JSONResponse(service.describe_session(session), 201)


async def push_chunk(request: Request) -> Response:
    """Draw a chunk of PCM; one at a time. With `?final=true` the utterance ends with it."""
    session = _session(request)
    final = request.query_params.get("final", "false")
    if final not in ("true", "false"):
        raise ApiError(422, "wrong_options", f"final: {final!r} is neither true nor false", "leave it out")
    if session.busy:
        raise ApiError(409, "chunk_in_flight", "another chunk is being drawn", "wait for its answer")
    session.busy = True
    try:
        await session.push(await read_bytes(request, _CHUNK))
        state = session.state
        if final == "true":
            await session.finish()
    except ApiError as error:
        if error.code == "not_read":  # what was dropped would be missing in the stream
            _service(request).sessions.remove(session)
        raise
    except Exception:
        _service(request).sessions.remove(session)
        raise
    finally:
        session.busy = False
    return JSONResponse(state)


async def interrupt(request: Request) -> Response:
    """Drop the utterance that goes on, and what of it was not read."""
    session = _session(request)
    await session.interrupt()
    return JSONResponse(session.state)


async def end(request: Request) -> Response:
    """End a session."""
    _service(request).sessions.remove(_session(request))
    return Response(status_code=204)


async def stream(request: Request) -> Response:
    """Stream the MP4 of one utterance while it is drawn; who leaves it early ends the session."""
    session = _session(request)
    if session.read:
        raise ApiError(409, "stream_in_use", "this stream is being read already", "read it once")
    session.read = True
    return StreamingResponse(_read(_service(request), session), media_type="video/mp4")


async def _read(service: Service, session: Session) -> AsyncIterator[bytes]:
    whole = begun = False
    try:
        while (part := await session.outbox.take()) is not None:
            session.touch()
            if part.data:
                begun = True
                yield part.data
            if part.event == "ended" or (part.event == "interrupted" and begun):
                break
        whole = True
    finally:
        session.read = False
        if not whole:
            service.sessions.remove(session)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _session(request: Request) -> Session:
    return _service(request).sessions.get(request.path_params["id"])


SESSION_ROUTES = [
    Route("/v1/videos/sessions", begin, methods=["POST"]),
    Route("/v1/videos/sessions/{id}/chunks", push_chunk, methods=["POST"]),
    Route("/v1/videos/sessions/{id}/stream", stream, methods=["GET"]),
    Route("/v1/videos/sessions/{id}/interrupt", interrupt, methods=["POST"]),
    Route("/v1/videos/sessions/{id}", end, methods=["DELETE"]),
]
