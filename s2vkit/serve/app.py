"""The application: routes, the guard before them, and errors as JSON."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files

import yaml
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from s2vkit.errors import S2vkitError
from s2vkit.serve.api_error import ApiError, api_error_of, unexpected
from s2vkit.serve.guard import Door, Guard
from s2vkit.serve.live_socket import live
from s2vkit.serve.service import Service
from s2vkit.serve.session_routes import SESSION_ROUTES
from s2vkit.serve.videos import make_video

_log = logging.getLogger("s2vkit.serve")
_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


def build_app(service: Service, door: Door) -> Starlette:
    """Build the application of one service."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        watching = asyncio.ensure_future(service.sessions.watch())
        try:
            yield
        finally:
            watching.cancel()
            service.sessions.close()
            service.workers.close()

    app = Starlette(
        routes=[
            *_page(),
            Route("/health", _health),
            Route("/openapi.json", _openapi),
            Route("/v1/models", _models),
            Route("/v1/videos", make_video, methods=["POST"]),
            *SESSION_ROUTES,
            WebSocketRoute("/v1/live", live),
        ],
        middleware=[Middleware(Guard, door=door, rate=service.limits.rate)],
        exception_handlers={
            ApiError: _answer_error,
            S2vkitError: _answer_error,
            HTTPException: _answer_http,
            ClientDisconnect: _answer_nobody,
            Exception: _answer_unexpected,
        },
        lifespan=lifespan,
    )
    app.state.service = service
    return app


def _page() -> list[Route]:
    """Return a route for each file of the page; they are read once, so no path is ever looked up."""
    routes = []
    for file in files("s2vkit.serve").joinpath("static").iterdir():
        ending = file.name.rpartition(".")[2]
        if ending in _KINDS:
            where = "/" if file.name == "index.html" else f"/{file.name}"
            routes.append(Route(where, _constant(file.read_bytes(), _KINDS[ending])))
    return routes


def _constant(body: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return Response(body, media_type=kind)

    return answer


async def _health(request: Request) -> Response:
    return JSONResponse(request.app.state.service.health())


async def _models(request: Request) -> Response:
    return JSONResponse({"data": [request.app.state.service.describe()]})


async def _openapi(request: Request) -> Response:
    return JSONResponse(openapi())


def openapi() -> dict[str, object]:
    """Return the description of the API."""
    text = files("s2vkit.serve").joinpath("static", "openapi.yaml").read_text(encoding="utf-8")
    described: dict[str, object] = yaml.safe_load(text)
    return described


async def _answer_error(request: Request, error: Exception) -> Response:
    if isinstance(error, S2vkitError):
        error = api_error_of(error)
    assert isinstance(error, ApiError)
    return error.response()


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    hints = {404: "see /openapi.json for what there is", 405: "see /openapi.json for the methods"}
    codes = {404: "not_found", 405: "wrong_method"}
    code = codes.get(error.status_code, "refused")
    problem = ApiError(error.status_code, code, str(error.detail), hints.get(error.status_code, ""))
    response = problem.response()
    response.headers.update(error.headers or {})
    return response


async def _answer_nobody(request: Request, error: Exception) -> Response:
    """Answer a client that has gone."""
    return Response(status_code=499)


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    _log.error("%s %s", request.method, request.url.path, exc_info=error)
    return unexpected().response()
