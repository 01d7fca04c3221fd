"""Requests and messages that nobody meant: drawn from a seed, sent to a server."""

from __future__ import annotations

import http.client
import json
import random
import socket
from contextlib import suppress

from helpers_serve import ask, pcm
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

METHODS = ("GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH", "BREW")
PATHS = (
    "/",
    "/health",
    "/page.js",
    "/openapi.json",
    "/v1/models",
    "/v1/videos",
    "/v1/videos?identity=ann",
    "/v1/videos?emotion=%00",
    "/v1/videos/sessions",
    "/v1/videos/sessions/{id}",
    "/v1/videos/sessions/{id}/chunks",
    "/v1/videos/sessions/{id}/chunks?final=true",
    "/v1/videos/sessions/{id}/interrupt",
    "/v1/live",
    "/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd",
    "/static/..%5c..%5cpyproject.toml",
    "/v1/videos/sessions/%2e%2e/stream",
)
HEADERS = (
    {},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Content-Type": "application/json"},
    {"Content-Length": "-1"},
    {"Transfer-Encoding": "gzip"},
    {"Expect": "100-continue"},
    {"Range": "bytes=0-99999999999"},
    {"Authorization": "Bearer \xff"},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "10.0.0.1"},
    {"Upgrade": "websocket", "Connection": "Upgrade"},
    {"X" * 300: "y" * 3000},
)
JSON = (
    {},
    [],
    None,
    1,
    "x",
    {"sample_rate": 1e400},
    {"identity": {"": 1}},
    {"identity": "=" * 99},
    {"emotion": {}},
)
STATUS = {200, 201, 204, 206, 400, 401, 403, 404, 405, 408, 409, 411, 413, 414, 416, 421, 422, 431, 501, 503}


def draw_body(draw: random.Random) -> bytes:
    """Draw the body of a request."""
    kinds = (
        lambda: b"",
        lambda: draw.randbytes(draw.randrange(2000)),
        lambda: json.dumps(draw.choice(JSON)).encode(),
        lambda: b"[" * draw.randrange(5000),
        lambda: b"RIFF" + draw.randbytes(4) + b"WAVEfmt " + draw.randbytes(200),
        lambda: pcm(0.05),
        lambda: b"#EXTM3U\nfile:///etc/passwd\n",
    )
    return draw.choice(kinds)()


def send_request(port: int, draw: random.Random, session: str) -> None:
    """Send one request and check how it is answered; or raw bytes, which need no answer."""
    if draw.random() < 0.1:
        send_raw(port, draw)
        return
    method, path = (
        draw.choice(METHODS),
        draw.choice(PATHS).replace("{id}", draw.choice((session, "none", "%00"))),
    )
    if draw.random() < 0.2:
        path = path.replace("/", draw.choice(("/", "//", "/./", "/%2f", "/\xe9")), draw.randrange(3))
    headers = dict(draw.choice(HEADERS))
    path = path.encode("utf-8").decode("latin-1") if path.isascii() else "/%E9"
    try:
        answer = ask(port, method, path, draw_body(draw), **headers)
    except TimeoutError as error:
        raise AssertionError(f"no answer to {method} {path} {headers}") from error
    except (http.client.HTTPException, ConnectionError):
        assert headers.keys() & {"Content-Length", "Transfer-Encoding", "Upgrade", "Expect"}, (
            method,
            path,
            headers,
        )
        return
    assert answer.status in STATUS, (method, path, headers, answer)
    assert b"root:" not in answer.body
    assert b"Traceback" not in answer.body
    if answer.status >= 400 and answer.headers.get("content-type") == "application/json":
        assert method == "HEAD" or answer.code


def send_raw(port: int, draw: random.Random) -> None:
    """Send bytes that are hardly HTTP, and leave."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, suppress(OSError):
        connection.sendall(draw.choice((b"", b"POST /v1/videos HTTP/1.1\r\n", b"GET / HTTP/9\r\n\r\n")))
        connection.sendall(draw.randbytes(draw.randrange(500)))


def send_messages(port: int, draw: random.Random, count: int) -> None:
    """Send random messages over one WebSocket until it is closed, and leave without a word."""
    url = f"ws://127.0.0.1:{port}/v1/live"
    with (
        suppress(WebSocketException, OSError, TimeoutError),
        connect(url, proxy=None, close_timeout=0.5) as raw,
    ):
        if draw.random() < 0.8:
            raw.send(b"\0{}")
        for _ in range(count):
            kind = draw.choice((0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 255))
            payload = draw.choice(
                (
                    b"",
                    b"finish",
                    b"interrupt",
                    pcm(0.03),
                    draw.randbytes(draw.randrange(300)),
                    b"{}",
                    b"\xff" * 2000,
                )
            )
            raw.send("text" if draw.random() < 0.05 else bytes([kind]) + payload)
        if draw.random() < 0.5:
            raw.recv(timeout=0.2)
