"""The server's page in a real browser, headless: nothing fails, nothing hangs over the edge."""

from __future__ import annotations

import time

import pytest
from helpers_browser import Page, browser
from helpers_serve import make_bundle, make_service, serving, wav

from s2vkit.serve.limits import Limits

pytestmark = pytest.mark.skipif(browser() is None, reason="no Chromium or Chrome is installed")

OVER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
NAMELESS = """[...document.querySelectorAll('select, input, button, video')].filter(e =>
    !(e.labels && e.labels.length) && !e.textContent.trim() && !e.getAttribute('aria-label')).length"""


class Address:
    """Stands for a file where the page is opened."""

    def __init__(self, port):
        self.port = port

    def resolve(self):
        return self

    def as_uri(self):
        return f"http://127.0.0.1:{self.port}/"


def wait_for(tab, script):
    end = time.monotonic() + 60
    while not tab.value(script):
        assert time.monotonic() < end, (script, tab.complaints())
        time.sleep(0.05)


def test_the_page_draws_a_recording_and_fits_narrow_screens(tmp_path):
    bundle = make_bundle(tmp_path / "model")
    (tmp_path / "speech.wav").write_bytes(wav(0.5))
    with serving(make_service(bundle, Limits())) as port, Page(tmp_path / "profile", patience=60) as tab:
        tab.open(Address(port), width=360, dark=True)
        wait_for(tab, "document.getElementById('identity').options.length === 3")
        assert tab.value(OVER) == 0
        assert tab.value(NAMELESS) == 0
        node = tab.ask(
            "DOM.querySelector", nodeId=tab.ask("DOM.getDocument")["root"]["nodeId"], selector="#file"
        )
        tab.ask("DOM.setFileInputFiles", files=[str(tmp_path / "speech.wav")], **node)
        tab.value("document.getElementById('make').click()")
        wait_for(tab, "!document.getElementById('download').hidden")
        wait_for(tab, "document.getElementById('video').videoWidth === 32")
        assert tab.value("document.getElementById('error').hidden")
        assert tab.complaints() == []
        assert all(url.startswith((f"http://127.0.0.1:{port}/", "blob:")) for url in tab.requests())
