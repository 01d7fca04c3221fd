"""Reading what a client sends, within bounds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from s2vkit.options import Field, Options
from s2vkit.serve.api_error import ApiError

_JSON = 64_000  # bytes
_UPLOAD = 120.0  # s that a body may take to come


class Wish(Options):
    """What is asked of the face: a label, `label=strength`, or strengths by label."""

    identity: str | dict[str, float] | None = Field(default=None, description="whose face")
    emotion: str | dict[str, float] | None = Field(default=None, description="in what mood")


class SessionWish(Wish):
    """What is asked of a live session."""

    sample_rate: int = Field(default=16000, ge=8000, le=192000, description="of the speech, in Hz")


def read_wish(data: object, kind: type[Wish] = SessionWish) -> Any:
    """Check what is asked for. Raises ApiError."""
    try:
        return kind.model_validate({} if data is None else data)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:5])
        fields = ", ".join(kind.model_fields)
        raise ApiError(422, "wrong_options", said, f"the options are {fields}; see /openapi.json") from error


def parse_json(text: bytes | str) -> object:
    """Parse JSON; nothing is None. Raises ApiError."""
    try:
        return json.loads(text) if text.strip() else None
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "not_json", "the body is not JSON", "send a JSON object, or no body") from error


async def read_json(request: Request) -> object:
    """Read a short body as JSON. Raises ApiError."""
    return parse_json(await read_bytes(request, _JSON))


async def read_bytes(request: Request, most: int) -> bytes:
    """Read a body of at most so many bytes. Raises ApiError."""
    _announced(request, most)
    body = bytearray()
    async for piece in _pieces(request, most):
        body += piece
    return bytes(body)


async def read_to_file(request: Request, path: Path, most: int) -> None:
    """Write a body of at most so many bytes to a file. Raises ApiError."""
    _announced(request, most)
    with path.open("wb") as file:
        async for piece in _pieces(request, most):
            file.write(piece)
    if not path.stat().st_size:
        raise ApiError(
            400, "no_recording", "the body is empty", "send an audio or video file as the request's body"
        )


async def _pieces(request: Request, most: int) -> AsyncIterator[bytes]:
    """Receive a body piece by piece, for so long and so much. Raises ApiError."""
    size, end = 0, asyncio.get_running_loop().time() + _UPLOAD
    pieces = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout_at(end):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            message = f"the body did not come within {_UPLOAD:g} s"
            raise ApiError(408, "too_slow", message, "send less at once") from error
        size += len(piece)
        if size > most:
            raise _too_large(most)
        yield piece


def _announced(request: Request, most: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise _too_large(most)


def _too_large(most: int) -> ApiError:
    return ApiError(413, "too_large", f"more than {most / 1e6:g} MB", "send less at once")
