"""Pages in a real browser, headless: nothing fails, clips play, nothing hangs over the edge."""

from __future__ import annotations

import itertools

import pytest
from helpers_browser import Page, browser
from helpers_report import make_run

from s2vkit.benchmark.page import write_comparing_page
from s2vkit.plugins import registry
from s2vkit.report.page import write_page

pytestmark = pytest.mark.skipif(browser() is None, reason="no Chromium or Chrome is installed")

PLAYABLE = """Promise.all([...document.querySelectorAll('video')].map(v => new Promise(done => {
    const tell = () => done([v.readyState, v.duration, v.videoWidth, v.error && v.error.message]);
    if (v.readyState || v.error) return tell();
    v.onloadedmetadata = v.onerror = tell;
    setTimeout(tell, 10000);
})))"""
BROKEN = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
OVER = """[document.documentElement.scrollWidth - document.documentElement.clientWidth,
    [...document.querySelectorAll('main *')].filter(e => !e.closest('.wide, pre, svg') &&
        e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
        .map(e => e.tagName + '.' + e.className)]"""
SHADES = """['body', 'h2', 'td', '.trace', 'a', 'figcaption'].map(where => {
    const parse = c => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const light = c => c.map(x => x / 255).map(x => x <= .03928 ? x / 12.92
        : ((x + .055) / 1.055) ** 2.4).reduce((s, x, i) => s + x * [.2126, .7152, .0722][i], 0);
    const ink = light(parse(getComputedStyle(document.querySelector(where)).color));
    const paper = light(parse(getComputedStyle(document.body).backgroundColor));
    return (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
})"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs, the page of one with its clips inside, one with them beside, and one of both."""
    home = tmp_path_factory.mktemp("browser")
    runs = [make_run(home / "a <run>"), make_run(home / "b", loss=19.0)]
    write_page(runs[0])
    write_page(runs[1], budget=0)
    write_comparing_page(runs, home / "both.html", registry())
    return home


@pytest.fixture(scope="module")
def tab(folder):
    with Page(folder / "profile") as page:
        yield page


PAGES = ["a <run>/report.html", "b/report.html", "both.html"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_complaint_and_fetches_nothing(tab, folder, name):
    tab.open(folder / name)
    assert tab.value("document.readyState") == "complete"
    seen = tab.value(PLAYABLE)
    assert len(seen) == (4 if name == "both.html" else 2)
    for state, duration, width, error in seen:
        assert error is None
        assert state > 0
        assert duration == pytest.approx(0.48, abs=0.1)
        assert width == 384
    assert tab.value(BROKEN) == 0
    assert tab.complaints() == []
    beside = [url for url in tab.requests() if not url.endswith("report.html")]
    assert all(url.startswith("file:") for url in tab.requests())
    assert len({u for u in beside if u.endswith(".mp4")}) == (2 if name.startswith("b/") else 0)


@pytest.mark.parametrize(
    ("name", "width", "dark"), list(itertools.product(PAGES[::2], (360, 1280), (False, True)))
)
def test_nothing_hangs_over_and_text_is_legible(tab, folder, name, width, dark):
    tab.open(folder / name, width=width, dark=dark)
    tab.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    over, what = tab.value(OVER)
    assert (over, what) == (0, [])
    paper = tab.value("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(22, 23, 26)" if dark else "rgb(251, 251, 249)")
    assert min(tab.value(SHADES)) >= 4.5  # WCAG 2.2 AA


def test_hostile_names_run_nothing(tab, folder):
    tab.open(folder / "a <run>/report.html")
    assert tab.value("document.querySelectorAll('script').length") == 1
    assert not [e for e in tab.events if e["method"] == "Page.javascriptDialogOpening"]
    tab.value(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.x=1';"
        " document.body.append(s); })()"
    )
    assert tab.value("window.x === undefined")  # the page's own policy forbids it


def test_the_table_of_clips_sorts_by_a_press(tab, folder):
    tab.open(folder / "a <run>/report.html")
    column = "[...document.querySelector('.sorts').tBodies[0].rows].map(r => r.cells[3].innerText)"
    press = "document.querySelectorAll('.sorts button')[3].click()"
    tab.value("document.querySelector('.sorts').closest('details').open = true")
    tab.value(press)
    assert tab.value(column) == ["20.5", "21.5", "22.5"]
    tab.value(press)
    assert tab.value(column) == ["22.5", "21.5", "20.5"]
    sort = "document.querySelectorAll('.sorts th')[3].getAttribute('aria-sort')"
    assert tab.value(sort) == "descending"


def test_a_row_of_clips_plays_together_and_others_stop(tab, folder):
    tab.open(folder / "both.html")
    tab.value(PLAYABLE)
    tab.value(
        "window.heard = []; document.querySelectorAll('video').forEach((v, i) => "
        "v.addEventListener('play', () => window.heard.push(i)))"
    )
    tab.value("document.querySelector('button.all').click()")
    tab.value("new Promise(done => setTimeout(done, 300))")
    assert sorted(tab.value("window.heard")) == [0, 1]
