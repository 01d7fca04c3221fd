"""Requests and messages that nobody meant break nothing; S2VKIT_FUZZ=2000 sends more of them."""

from __future__ import annotations

import os
import random
import time

import pytest
from helpers_fuzz import send_messages, send_request
from helpers_serve import ask, make_bundle, make_service, serving, wav

from s2vkit.serve.limits import Limits

COUNT = int(os.environ.get("S2VKIT_FUZZ", "60"))
SEED = int(os.environ.get("S2VKIT_FUZZ_SEED", "1"))
LIMITS = Limits(max_mb=0.1, max_seconds=2, rate=100_000, max_sessions=64, idle=2)
FAULTS = ("s2vkit.serve", "uvicorn.error", "asyncio")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("fuzz"))


def test_nothing_breaks_the_server(bundle, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    service, draw = make_service(bundle, LIMITS), random.Random(SEED)
    with serving(service) as port:
        session = ask(port, "POST", "/v1/videos/sessions").json["id"]
        for _ in range(COUNT):
            send_request(port, draw, session)
        for _ in range(max(1, COUNT // 40)):
            send_messages(port, draw, 10)
        assert ask(port, "GET", "/health").json["status"] == "ok"
        assert ask(port, "POST", "/v1/videos", wav(0.2)).status == 200
        end = time.monotonic() + 60
        while len(service.sessions):
            assert time.monotonic() < end
            time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
    assert service.waiting == 0
    assert [r.getMessage() for r in caplog.records if r.name in FAULTS and r.levelname == "ERROR"] == []
