"""Live sessions: over plain HTTP and over a WebSocket, and what clients do to them."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import re
import threading
import time

import av
import numpy as np
import pytest
from helpers_cli import ROOT
from helpers_serve import RATE, Socket, ask, frames_of, make_bundle, make_service, pcm, samples, serving, wav
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from s2vkit.errors import InputError
from s2vkit.serve.client import Client
from s2vkit.serve.guard import Door
from s2vkit.serve.limits import Limits
from s2vkit.serve.live_socket import Kind

LIMITS = Limits(max_seconds=3, max_sessions=4, rate=100_000)
SESSIONS = "/v1/videos/sessions"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def service(bundle):
    return make_service(bundle, LIMITS)


@pytest.fixture(scope="module")
def port(service):
    with serving(service) as port:
        yield port


@pytest.fixture
def client(port):
    return Client(f"http://127.0.0.1:{port}")


def wait_for(what, seconds=60.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_kinds_are_those_of_the_page():
    rows = re.findall(r"^\| (\d) \| (\w+) \|", (ROOT / "docs" / "serve.md").read_text(), re.MULTILINE)
    assert rows == [(str(kind.value), kind.name.lower()) for kind in Kind]


def test_speech_in_chunks_is_streamed_while_it_is_drawn(client, service):
    with client.session(RATE, identity="bob", emotion={"anger": 0.5}) as session:
        assert session.described["marks"] == ["watermark"]
        speech, video = samples(1.0), session.stream()
        state = session.push(speech[: RATE // 2])
        first = b""
        while b"moov" not in first:
            first += next(video)
        assert 0 < state["frames"] < 25
        session.push(speech[RATE // 2 :], final=True)
        rest = b"".join(video)
        second = session.push(samples(0.5, seed=1), final=True)
        assert second["utterance"] == 2
        assert frames_of(b"".join(session.stream())) in (12, 13)
    assert rest
    wait_for(lambda: not len(service.sessions))


def test_the_live_video_is_marked(bundle, monkeypatch):
    service, marked = make_service(bundle, LIMITS), []
    mark = type(service.marking).mark

    def note(self, frames, first, fps):
        marked.append(len(frames))
        return mark(self, frames, first, fps)

    monkeypatch.setattr(type(service.marking), "mark", note)
    with serving(service) as port, Client(f"http://127.0.0.1:{port}").session() as session:
        session.push(samples(0.4), final=True)
    assert sum(marked) == 10


def test_an_utterance_is_interrupted_and_another_begins(client):
    with client.session(identity="ann", emotion="neutral") as session:
        session.push(samples(0.5))
        session.interrupt()
        assert session.push(samples(0.4, seed=1), final=True)["utterance"] == 2
        assert frames_of(b"".join(session.stream())) == 10


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (SESSIONS, b"{", 400, "not_json"),
        (SESSIONS, b"[" * 5000, 400, "not_json"),
        (SESSIONS, b"[]", 422, "wrong_options"),
        (SESSIONS, {"sample_rate": 1}, 422, "wrong_options"),
        (SESSIONS, {"sample_rate": "no"}, 422, "wrong_options"),
        (SESSIONS, {"voice": "ann"}, 422, "wrong_options"),
        (SESSIONS, {"identity": "carol"}, 422, "unusable_input"),
        (SESSIONS, {"emotion": {"anger": 7}}, 422, "unusable_input"),
        (SESSIONS, b" " * 70_000, 413, "too_large"),
        (f"{SESSIONS}/none/chunks", b"", 404, "no_session"),
        (f"{SESSIONS}/..%2f..%2fetc/interrupt", b"", 404, "not_found"),
    ],
)
def test_sessions_refuse_in_json(port, service, path, body, status, code):
    before = len(service.sessions)
    answer = ask(port, "POST", path, body)
    assert (answer.status, answer.code) == (status, code)
    assert len(service.sessions) == before


def test_chunks_refuse_in_json(port):
    path = f"{SESSIONS}/{ask(port, 'POST', SESSIONS).json['id']}"
    for body, query, status, code in (
        (b"odd", "", 422, "not_pcm"),
        (b"", "?final=maybe", 422, "wrong_options"),
        (b"x" * 1_000_002, "", 413, "too_large"),
        (pcm(3.5), "", 413, "too_long"),
    ):
        answer = ask(port, "POST", f"{path}/chunks{query}", body)
        assert (answer.status, answer.code) == (status, code)
    assert ask(port, "DELETE", path).status == 204
    assert ask(port, "DELETE", path).code == "no_session"


def test_there_are_no_more_sessions_than_allowed(port, service):
    begun = [ask(port, "POST", SESSIONS) for _ in range(LIMITS.max_sessions + 1)]
    assert [answer.status for answer in begun] == [201] * LIMITS.max_sessions + [503]
    assert begun[-1].code == "busy"
    with Socket(port, shake=False) as socket:
        assert socket.until(Kind.ERROR)[0]["code"] == "busy"
    for answer in begun[:-1]:
        ask(port, "DELETE", f"{SESSIONS}/{answer.json['id']}")
    assert len(service.sessions) == 0


def test_a_reader_that_leaves_ends_its_session(port, service):
    name = ask(port, "POST", SESSIONS).json["id"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", f"{SESSIONS}/{name}/stream")
    ask(port, "POST", f"{SESSIONS}/{name}/chunks", pcm(0.3))
    connection.getresponse().read1(100)
    connection.sock.close() if connection.sock else None
    connection.close()
    wait_for(lambda: not len(service.sessions))


def test_idle_sessions_are_closed(bundle):
    service = make_service(bundle, Limits(idle=1), mark=False)
    with serving(service) as port, Socket(port) as socket:
        ask(port, "POST", SESSIONS)
        assert socket.until(Kind.ERROR)[0]["code"] == "idle"
        wait_for(lambda: not len(service.sessions))


def test_a_web_socket_draws_utterance_after_utterance(port, service):
    with Socket(port, identity="bob", emotion="anger=0.6") as socket:
        hello, _ = socket.until(Kind.HANDSHAKE)
        assert (hello["protocol"], hello["size"], hello["sample_rate"]) == (1, 32, RATE)
        for number, seconds in ((1, 0.6), (2, 0.4)):
            sound = pcm(seconds, seed=number)
            for start in range(0, len(sound), 640):  # 20 ms
                socket.send(Kind.AUDIO, sound[start : start + 640])
            told, early = socket.until(Kind.METADATA, "utterance")
            assert (told["utterance"], early) == (number, b"")
            assert re.fullmatch(r'video/mp4; codecs="avc1\.[0-9a-f]{6}, mp4a\.40\.2"', told["mime"])
            socket.send(Kind.CONTROL, b"finish")
            ended, video = socket.until(Kind.METADATA, "ended")
            assert ended["frames"] == frames_of(video) == seconds * 25
        socket.send(Kind.PING, b"there?")
        assert socket.receive() == (Kind.PING, b"there?")
    wait_for(lambda: not len(service.sessions))


def test_the_web_socket_draws_what_generate_draws(bundle, port):
    from s2vkit.inference.model import load_model

    speech = np.frombuffer(pcm(0.6), "<i2").astype(np.float32) / 32768
    model = load_model(bundle, device="cpu", registry=None)
    whole = model.generate(speech, RATE, identity="bob", emotion="anger").frames
    with Socket(port, identity="bob", emotion="anger") as socket:
        socket.send(Kind.AUDIO, pcm(0.6))
        socket.send(Kind.CONTROL, b"finish")
        _, video = socket.until(Kind.METADATA, "ended")
    with av.open(io.BytesIO(video)) as container:
        frames = np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    other = model.generate(speech, RATE, identity="ann", emotion="neutral").frames
    assert frames.shape == whole.shape
    # an untrained model draws grain in all colours, and compression keeps little of colour
    assert _likeness(frames, whole) > 0.75 > _likeness(frames, other)


def _likeness(one, two):
    return np.corrcoef(one.mean(-1).reshape(-1), two.mean(-1).reshape(-1))[0, 1]


def test_a_web_socket_is_interrupted(port):
    with Socket(port) as socket:
        socket.send(Kind.AUDIO, pcm(1.0))
        socket.until(Kind.METADATA, "utterance")
        socket.send(Kind.CONTROL, b"interrupt")
        socket.until(Kind.METADATA, "interrupted")
        socket.send(Kind.AUDIO, pcm(0.4))
        socket.send(Kind.CONTROL, b"finish")
        told, _ = socket.until(Kind.METADATA, "utterance")
        ended, video = socket.until(Kind.METADATA, "ended")
        assert told["utterance"] == ended["utterance"] == 2
        assert frames_of(video) == 10


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [
        (1, b"\0\0", "no_handshake"),
        (0, b"{", "not_json"),
        (0, b'{"identity": "carol"}', "unusable_input"),
        (0, b'{"sample_rate": 5}', "wrong_options"),
        (9, b"", "no_handshake"),
    ],
)
def test_a_wrong_handshake_is_answered_and_closed(port, kind, payload, code):
    with Socket(port, shake=False) as socket:
        socket.send(kind, payload)
        assert socket.until(Kind.ERROR)[0]["code"] == code
        with pytest.raises(ConnectionClosed):
            socket.raw.recv(timeout=20)


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [(1, b"odd", "not_pcm"), (3, b"explode", "wrong_control"), (1, pcm(3.5), "too_long")],
)
def test_a_wrong_message_is_answered_and_closed(port, service, kind, payload, code):
    with Socket(port) as socket:
        socket.send(9, b"of a type that nobody knows")  # is passed over
        socket.raw.send("text")
        socket.send(kind, payload)
        assert socket.until(Kind.ERROR)[0]["code"] == code
    wait_for(lambda: not len(service.sessions))


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_other_sites_open_no_web_socket(port, headers):
    host = headers.pop("Host", f"127.0.0.1:{port}")
    raw = f"GET /v1/live HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    raw += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    raw += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(raw.encode())
        answer = connection.recv(4096)
    assert answer.split()[1] in (b"403", b"421")


def test_a_web_socket_needs_the_token(bundle):
    with serving(make_service(bundle, LIMITS, mark=False), Door(False, (), "s3cret")) as port:
        url = f"ws://127.0.0.1:{port}/v1/live"
        with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
            pass
        assert refused.value.response.status_code == 401
        with connect(url, proxy=None, subprotocols=["s2vkit.v1", "token.s3cret"]) as raw:
            assert raw.subprotocol == "s2vkit.v1"
        client = Client(f"http://127.0.0.1:{port}", token="s3cret")
        assert client.models()[0]["id"] == "toy"
        with pytest.raises(InputError, match="needs its token"):
            Client(f"http://127.0.0.1:{port}").models()


def test_a_client_that_does_not_read_harms_nobody(bundle, monkeypatch):
    monkeypatch.setattr("s2vkit.serve.session._PATIENCE", 0.3)
    monkeypatch.setattr("s2vkit.serve.session._UNREAD", 20_000)
    service = make_service(bundle, LIMITS, mark=False)
    with serving(service) as port:
        name = ask(port, "POST", SESSIONS).json["id"]
        done = []

        def other():
            with Client(f"http://127.0.0.1:{port}").session() as session:
                done.append(session.push(samples(0.4))["frames"])

        thread = threading.Thread(target=other)
        answers = (ask(port, "POST", f"{SESSIONS}/{name}/chunks", pcm(1.0, n)) for n in itertools.count())
        thread.start()
        codes = list(itertools.islice((a.status for a in answers), 2))
        thread.join(60)
        assert done
        assert 409 in codes
        assert len(service.sessions) == 0  # what was dropped would be missing, so it is closed


def test_the_examples_of_the_page_run(port, tmp_path, monkeypatch):
    text = (ROOT / "docs" / "serve.md").read_text()
    (tmp_path / "speech.wav").write_bytes(wav(0.5))
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    exec(block.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}"), {})
    assert frames_of((tmp_path / "out.mp4").read_bytes()) in (12, 13)
    assert frames_of((tmp_path / "live.mp4").read_bytes()) == 25


def test_json_of_errors_names_what_to_do(port):
    error = json.loads(ask(port, "GET", f"{SESSIONS}/none/stream").body)["error"]
    assert set(error) == {"code", "message", "hint"}
    assert "POST /v1/videos/sessions" in error["hint"]
