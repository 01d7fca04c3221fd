"""POST /v1/videos: a recording in, its video out."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from threading import Event

from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from s2vkit.errors import InputError
from s2vkit.inference.generate import Generated, How, generate_one
from s2vkit.inference.outputs import Pair
from s2vkit.serve.api_error import ApiError, api_error_of
from s2vkit.serve.bodies import Wish, read_to_file, read_wish
from s2vkit.serve.service import Service

_RECORDING = "recording"
_LOOK = 0.5  # s between looks whether the client is still there


class _GoneError(Exception):
    """The client has gone."""


async def make_video(request: Request) -> Response:
    """Answer with the MP4 file of the recording in the body; who and in what mood are query parameters."""
    service: Service = request.app.state.service
    wish = read_wish(dict(request.query_params), Wish)
    _make_room(service)
    folder = Path(tempfile.mkdtemp(prefix="s2vkit-serve-"))
    try:
        await read_to_file(request, folder / _RECORDING, service.limits.max_bytes)
        _make_room(service)
        service.waiting += 1
        try:
            made = await _draw(request, service, wish, folder)
        finally:
            service.waiting -= 1
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    facts = {
        "Frames": made.frames,
        "Seconds": f"{made.frames / made.fps:.3f}",
        "Draw-Seconds": f"{made.took:.3f}",
    }
    headers = {f"X-S2vkit-{name}": str(fact) for name, fact in facts.items()}
    headers["X-S2vkit-Marks"] = ", ".join(service.marks())
    remove = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(
        made.path, media_type="video/mp4", filename="video.mp4", headers=headers, background=remove
    )


def _make_room(service: Service) -> None:
    if service.waiting >= service.limits.max_waiting:
        raise ApiError(503, "busy", "as many recordings wait as the server takes", "try again soon", 5)


async def _draw(request: Request, service: Service, wish: Wish, folder: Path) -> Generated:
    """Draw the recording on a worker thread, as long as the client waits for it. Raises ApiError."""
    model, recording, gone = service.model, folder / _RECORDING, Event()
    steering = service.steer(wish, model.sample_rate)

    def progress(done: float, total: float) -> None:
        if gone.is_set():
            raise _GoneError

    def draw() -> Generated:
        try:
            return generate_one(model, pair, steering, how)
        finally:
            if gone.is_set():  # nobody else is left to remove what this thread still wrote
                shutil.rmtree(folder, ignore_errors=True)

    how = How(longest=service.limits.max_seconds, marking=service.marking, progress=progress)
    pair = Pair(recording, folder / "video.mp4", "mp4")
    drawing = asyncio.ensure_future(service.workers.recording(draw))
    try:
        while not (await asyncio.wait([drawing], timeout=_LOOK))[0]:
            if await request.is_disconnected():
                raise ClientDisconnect
        return drawing.result()
    except InputError as error:
        raise api_error_of(error, hide=str(recording)) from error
    finally:
        if not drawing.done():
            gone.set()
            drawing.cancel()
