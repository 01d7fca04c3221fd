"""What every request passes first: Host, Origin, token and rate; and the headers of every answer."""

from __future__ import annotations

import hmac
import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from s2vkit.serve.api_error import ApiError
from s2vkit.serve.limits import RateLimit

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
TOKEN_PROTOCOL = "token."  # before a token among the subprotocols of a WebSocket
_BEGINNING = ("/v1/videos", "/v1/videos/sessions", "/v1/live")  # requests that the rate counts
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src 'self' blob:; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Door:
    """Who may come in."""

    local: bool = True  # whether only this machine can connect
    names: Sequence[str] = ()  # names of the server, beside those of this machine
    token: str | None = None

    def knows(self, host: str) -> bool:
        """Return whether a Host header names this server.

        A name of someone else's that leads here is DNS rebinding. A bare address is none, and
        is taken where the server can be reached by it.
        """
        name = host_name(host)
        if name in LOCAL_NAMES or name in self.names:
            return True
        return not self.local and is_address(name)


class Guard:
    """Middleware that refuses what comes from elsewhere, without a token, or too often."""

    def __init__(self, app: ASGIApp, door: Door, rate: int) -> None:
        self.app, self.door = app, door
        self._begun = RateLimit(rate / 60, max(1, rate // 2))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        problem = self._refusal(scope)
        if problem is None:
            await self.app(scope, receive, send_with_headers)
        elif scope["type"] == "http":
            await problem.response()(scope, receive, send_with_headers)
        else:
            await receive()  # websocket.connect
            await WebSocket(scope, receive, send_with_headers).send_denial_response(problem.response())

    def _refusal(self, scope: Scope) -> ApiError | None:
        headers, path = Headers(scope=scope), str(scope["path"])
        return (
            self._wrong_host(headers)
            or _cross_site(headers, path)
            or self._no_token(headers, path)
            or self._too_often(scope, path)
        )

    def _wrong_host(self, headers: Headers) -> ApiError | None:
        hosts = headers.getlist("host")
        if len(hosts) == 1 and self.door.knows(hosts[0]):
            return None
        return ApiError(
            421,
            "wrong_host",
            "the Host header does not name this server",
            "use the address that the server printed; `s2vkit serve --name NAME` adds a name",
        )

    def _no_token(self, headers: Headers, path: str) -> ApiError | None:
        token = self.door.token
        if token is None or not path.startswith("/v1/"):
            return None
        offered = headers.get("sec-websocket-protocol", "").split(",")
        given = [one.strip().removeprefix(TOKEN_PROTOCOL) for one in offered if TOKEN_PROTOCOL in one]
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given += [bearer.strip()] if scheme.lower() == "bearer" else []
        if any(hmac.compare_digest(one.encode(), token.encode()) for one in given):
            return None
        return ApiError(
            401,
            "token_needed",
            "this server needs its token",
            "send `Authorization: Bearer TOKEN`; the server printed the token when it started",
        )

    def _too_often(self, scope: Scope, path: str) -> ApiError | None:
        if path not in _BEGINNING or scope.get("method", "POST") != "POST":
            return None
        address = scope["client"][0] if scope.get("client") else ""
        wait = math.ceil(self._begun.wait(address))
        if not wait:
            return None
        return ApiError(
            429, "too_often", "too many videos and sessions begun", f"try again in {wait} s", wait
        )


def _cross_site(headers: Headers, path: str) -> ApiError | None:
    """Refuse what a page of another site sends; other programs send no such headers."""
    origin, host = headers.get("origin"), headers.get("host", "")
    own = origin is None or origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())
    elsewhere = path.startswith("/v1/") and headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if own and not elsewhere:
        return None
    return ApiError(
        403, "cross_site", "a page of another site sent this request", "open the page of this server itself"
    )


def host_name(host: str) -> str:
    """Return a Host header's name, without its port and brackets, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def is_address(name: str) -> bool:
    """Return whether a name is an address in numbers."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_local(host: str) -> bool:
    """Return whether a server bound to this host can be reached from this machine alone."""
    name = host_name(host)
    return name == "localhost" or (is_address(name) and ipaddress.ip_address(name).is_loopback)
