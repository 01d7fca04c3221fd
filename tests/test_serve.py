"""The server: what it makes of recordings, what it refuses, and how it says so."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
import time
from threading import Event

import pytest
from helpers_cli import ROOT, call
from helpers_serve import ask, make_bundle, make_service, serving, wav
from helpers_toy import REGISTRY

from s2vkit.errors import InputError, ResourceError
from s2vkit.inference.marking import marker_of
from s2vkit.inference.model import load_model
from s2vkit.marking.credentials import local_root
from s2vkit.marking.signing import read_signature
from s2vkit.media import probe
from s2vkit.serve.app import openapi
from s2vkit.serve.guard import Door, is_local
from s2vkit.serve.limits import Limits, RateLimit
from s2vkit.serve.main import Serving, open_service

LIMITS = Limits(max_mb=1, max_seconds=3, rate=100_000)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("serve"))


@pytest.fixture(scope="module")
def service(bundle):
    return make_service(bundle, LIMITS)


@pytest.fixture(scope="module")
def port(service):
    with serving(service) as port:
        yield port


@pytest.fixture(scope="module")
def guarded(bundle):
    """A server that others can connect to, with a token."""
    door = Door(local=False, names=("faces.example",), token="s3cret")
    with serving(make_service(bundle, LIMITS), door) as port:
        yield port


def test_a_recording_becomes_a_marked_video(port, tmp_path):
    made = ask(port, "POST", "/v1/videos?identity=bob&emotion=anger%3D0.6", wav(1.0))
    assert (made.status, made.headers["content-type"]) == (200, "video/mp4")
    assert made.headers["x-s2vkit-frames"] == "25"
    assert made.headers["x-s2vkit-marks"] == "watermark, signature"
    path = tmp_path / "out.mp4"
    path.write_bytes(made.body)
    assert probe(path)["seconds"] == pytest.approx(1.0, abs=0.1)
    signature = read_signature(path, local_root())
    assert signature is not None
    assert signature.valid


def test_nothing_is_left_behind(port, service, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert ask(port, "POST", "/v1/videos", wav(0.5)).status == 200
    assert ask(port, "POST", "/v1/videos", b"no sound").status == 422
    assert ask(port, "POST", "/v1/videos", b"x" * 1_100_000).status == 413
    assert list(tmp_path.iterdir()) == []
    assert service.waiting == 0


def test_the_model_and_the_state_are_described(port, service):
    (model,) = ask(port, "GET", "/v1/models").json["data"]
    assert model["identities"] == ["ann", "bob"]
    assert sorted(model["emotions"]) == ["anger", "neutral"]
    assert (model["size"], model["fps"], model["live"]) == (32, 25.0, True)
    assert ask(port, "GET", "/health").json["status"] == "ok"


def test_the_description_of_the_api_names_every_route(port, service):
    from s2vkit.serve.app import build_app

    routes = {
        (route.path, method.lower())
        for route in build_app(service, Door()).routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD" and route.path.startswith(("/v1", "/health"))
    }
    described = {
        (path, method)
        for path, methods in openapi()["paths"].items()
        for method in methods
        if method != "parameters"
    }
    assert described == routes
    assert ask(port, "GET", "/openapi.json").json == openapi()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/videos", b"", 400, "no_recording"),
        ("POST", "/v1/videos", b"RIFF nonsense", 422, "unusable_input"),
        ("POST", "/v1/videos", wav(3.5), 422, "unusable_input"),
        ("POST", "/v1/videos", b"x" * 1_000_001, 413, "too_large"),
        ("POST", "/v1/videos?emotion=joy", wav(0.3), 422, "unusable_input"),
        ("POST", "/v1/videos?identity=ann%3D2", wav(0.3), 422, "unusable_input"),
        ("POST", "/v1/videos?size=9", wav(0.3), 422, "wrong_options"),
        ("GET", "/v1/videos", None, 405, "wrong_method"),
        ("GET", "/../../etc/passwd", None, 404, "not_found"),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", None, 404, "not_found"),
        ("GET", "/static/openapi.yaml", None, 404, "not_found"),
    ],
)
def test_what_cannot_be_met_is_refused_in_json(port, method, path, body, status, code):
    answer = ask(port, method, path, body)
    assert (answer.status, answer.code) == (status, code)
    assert "/tmp" not in answer.json["error"]["message"]


def test_a_body_that_does_not_say_its_size_is_cut_off(port):
    answer = ask(port, "POST", "/v1/videos", iter([b"x" * 400_000] * 4))
    assert (answer.status, answer.code) == (413, "too_large")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Host": "evil.example"}, 421, "wrong_host"),
        ({"Host": "127.0.0.1.evil.example:8000"}, 421, "wrong_host"),
        ({"Host": "10.0.0.7"}, 421, "wrong_host"),
        ({"Origin": "http://evil.example"}, 403, "cross_site"),
        ({"Origin": "null"}, 403, "cross_site"),
        ({"Origin": "http://127.0.0.1:1"}, 403, "cross_site"),
        ({"Sec_Fetch_Site": "cross-site"}, 403, "cross_site"),
        ({"Host": "localhost:99", "Origin": "http://localhost:99"}, 200, ""),
        ({"Host": "[::1]:99"}, 200, ""),
    ],
)
def test_other_sites_are_kept_out(port, headers, status, code):
    answer = ask(port, "GET", "/v1/models", **headers)
    assert answer.status == status
    assert code == "" or answer.code == code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic s3cret"}, 401),
        ({"Authorization": "Bearer s3cr\xe9t"}, 401),
        ({"Authorization": "Bearer s3cret"}, 200),
        ({"Authorization": "bearer s3cret", "Host": "10.0.0.7:80"}, 200),
        ({"Authorization": "Bearer s3cret", "Host": "faces.example"}, 200),
        ({"Authorization": "Bearer s3cret", "Host": "evil.example"}, 421),
    ],
)
def test_a_server_for_others_needs_its_token(guarded, headers, status):
    assert ask(guarded, "GET", "/v1/models", **headers).status == status
    assert ask(guarded, "GET", "/health").status == 200  # says nothing that is anyone's


def test_who_begins_too_much_waits(bundle):
    with serving(make_service(bundle, Limits(rate=2), mark=False)) as port:
        assert ask(port, "POST", "/v1/videos", b"no sound").status == 422
        answer = ask(port, "POST", "/v1/videos", b"no sound")
        assert (answer.status, answer.code) == (429, "too_often")
        assert 0 < int(answer.headers["retry-after"]) <= 30
        assert ask(port, "GET", "/v1/models").status == 200


def test_tokens_come_back_with_time():
    now = [0.0]
    rate = RateLimit(0.5, 2, clock=lambda: now[0])
    assert [rate.wait("a"), rate.wait("a"), rate.wait("a"), rate.wait("b")] == [0, 0, 2, 0]
    now[0] = 2.0
    assert [rate.wait("a"), rate.wait("a")] == [0, 2]


def test_every_answer_forbids_what_the_page_does_not_need(port):
    for path in ("/health", "/nothing"):
        headers = ask(port, "GET", path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.1.2.3", False)],
)
def test_which_hosts_are_this_machine_alone(host, local):
    assert is_local(host) is local


def test_a_port_in_use_is_named(capsys, bundle, monkeypatch):
    monkeypatch.setattr("s2vkit.serve.main.load_model", lambda *a, **k: load_model(bundle, registry=REGISTRY))
    monkeypatch.setattr("s2vkit.serve.main.marker_of", lambda *a, **k: marker_of(bundle, REGISTRY))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        called = call(capsys, "serve", bundle, "--port", str(taken.getsockname()[1]))
    assert called.code == InputError.exit_code
    assert "--port" in called.err


def test_a_missing_extra_is_named(capsys, bundle, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    called = call(capsys, "serve", bundle)
    assert called.code == ResourceError.exit_code
    assert "s2vkit[serve]" in called.err


def test_a_model_without_a_folder_is_named(tmp_path):
    with pytest.raises(Exception, match="no such run or model folder"):
        open_service(tmp_path / "none", Serving())


def test_the_example_with_curl_runs(port, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    text = (ROOT / "docs" / "serve.md").read_text()
    (line,) = [one for one in text.splitlines() if one.startswith("curl --fail")]
    (tmp_path / "speech.wav").write_bytes(wav(0.4))
    command = line.replace(":8000", f":{port}").replace("happiness", "anger")
    done = subprocess.run(shlex.split(command), cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert probe(tmp_path / "out.mp4")["seconds"] == pytest.approx(0.4, abs=0.1)


def test_a_client_that_goes_ends_its_drawing(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("s2vkit.serve.videos._LOOK", 0.01)
    service, stopped, drawing = make_service(bundle, LIMITS, mark=False), Event(), Event()

    def draw_for_ever(model, pair, steering, how):
        drawing.set()
        try:
            while True:
                how.progress(0.0, 1.0)
                time.sleep(0.01)
        finally:
            pair.output.parent.mkdir(exist_ok=True)
            pair.output.write_bytes(b"half a video")
            stopped.set()

    monkeypatch.setattr("s2vkit.serve.videos.generate_one", draw_for_ever)
    with serving(service) as port:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"POST /v1/videos HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx")
            assert drawing.wait(60)
        assert stopped.wait(60)
        assert ask(port, "GET", "/health").json["recordings"] == 0
    service.workers.close(wait=True)
    assert list(tmp_path.iterdir()) == []
