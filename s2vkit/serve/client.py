"""A client of the server, of the standard library and NumPy alone."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import numpy as np

from s2vkit.errors import InputError

_READ = 65536  # bytes at once


class Client:
    """A server of `s2vkit serve`, by its address.

    Raises InputError with what the server says, where it refuses.
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", token: str | None = None) -> None:
        self.url, self._token = url.rstrip("/"), token
        self._timeout = 600.0

    def models(self) -> list[dict[str, Any]]:
        """Describe what is served."""
        described: list[dict[str, Any]] = json.loads(self.ask("GET", "/v1/models"))["data"]
        return described

    def make_video(
        self,
        speech: str | Path,
        output: str | Path,
        *,
        identity: str | None = None,
        emotion: str | None = None,
    ) -> Path:
        """Write the video of a recording: an MP4 file, marked as generated."""
        asked = urlencode({k: v for k, v in {"identity": identity, "emotion": emotion}.items() if v})
        output = Path(output)
        output.write_bytes(self.ask("POST", f"/v1/videos?{asked}", Path(speech).read_bytes()))
        return output

    def session(self, sample_rate: int = 16000, **wish: Any) -> ClientSession:
        """Begin a live session: a context manager. `wish` is `identity` and `emotion`."""
        asked = json.dumps({"sample_rate": sample_rate, **wish}).encode()
        return ClientSession(self, json.loads(self.ask("POST", "/v1/videos/sessions", asked)))

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Send a request: the body of its answer."""
        return b"".join(self.read(method, path, body))

    def read(self, method: str, path: str, body: bytes | None = None) -> Iterator[bytes]:
        """Send a request: the body of its answer as it comes."""
        with closing(self._connect()) as connection:
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
            except OSError as error:
                raise InputError(f"{self.url}: {error}", hint="start `s2vkit serve` there") from error
            if answer.status >= 400:
                raise _refused(f"{self.url}{path}", answer.status, answer.read())
            while piece := answer.read1(_READ):
                yield piece

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=self._timeout)


class ClientSession:
    """A live session: `push` speech in one thread, read `stream` in another."""

    def __init__(self, client: Client, described: dict[str, Any]) -> None:
        self._client, self.described = client, described
        self._path = f"/v1/videos/sessions/{described['id']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def push(self, samples: np.ndarray, *, final: bool = False) -> dict[str, Any]:
        """Send (S,) samples in [-1, 1]; the utterance ends with them if they are `final`."""
        pcm = (np.asarray(samples).clip(-1, 1) * 32767).astype("<i2").tobytes()
        path = f"{self._path}/chunks?final={'true' if final else 'false'}"
        state: dict[str, Any] = json.loads(self._client.ask("POST", path, pcm))
        return state

    def stream(self) -> Iterator[bytes]:
        """Read the MP4 of one utterance while it is drawn."""
        return self._client.read("GET", f"{self._path}/stream")

    def interrupt(self) -> None:
        """Drop the utterance that goes on; the next speech begins another."""
        self._client.ask("POST", f"{self._path}/interrupt")

    def close(self) -> None:
        """End the session."""
        self._client.ask("DELETE", self._path)


def _refused(where: str, status: int, body: bytes) -> InputError:
    try:
        error = json.loads(body)["error"]
        return InputError(f"{where}: {error['message']}", hint=str(error["hint"]))
    except (ValueError, KeyError, TypeError):
        return InputError(f"{where}: the server answered {status}")
