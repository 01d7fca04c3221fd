"""The page of a run: whole, escaped, within one file, traced, and of any run folder."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from helpers_report import GRAPH, HOSTILE, make_run

from s2vkit.report.diagram import draw
from s2vkit.report.layout import arrange
from s2vkit.report.page import write_page
from s2vkit.report.plots import panels

VOID = {"meta", "img", "br", "link", "input", "hr"}
SECTIONS = [
    "clips",
    "metrics",
    "every-clip",
    "confusions",
    "probes-what-the-codes-reveal",
    "samples",
    "graph",
    "curves",
    "time-and-memory",
    "warnings",
    "recipe",
    "versions-and-machine",
]


class Read(HTMLParser):
    """Reads a page: its tags with attributes, and what is open and never closed."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.said = [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join("".join(self.said).split())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("page") / "my <run>")
    write_page(folder)
    return folder


@pytest.fixture(scope="module")
def page(run):
    return (run / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def read(page):
    return Read(page)


def test_every_section_is_there_in_its_order_and_in_the_contents(read):
    assert [at["id"] for at in read.all("section")] == SECTIONS
    links = [at["href"] for at in read.all("a")]
    assert [link for link in links if link.startswith("#")][1 : len(SECTIONS) + 1] == [
        f"#{name}" for name in SECTIONS
    ]
    assert "could not be drawn" not in read.text


def test_what_the_run_came_to_is_said(read):
    for words in (
        "the <run>",
        "my <run>: 2 of 2 stages are finished",
        "0.8438",
        "share of clips | evaluated",
        "20 min 34 s",
        "1 h 01 min",
        "1 h 22 min",
        "870.0 MB",
        "2.50 GB",
        "versions.torch 2.14",
        "seed 7",
        "Of 3 clips of the split test, by the stage evaluate",
        "MIT of its authors",
    ):
        assert words in read.text or words.replace(" ", "") in read.text.replace(" ", ""), words


def test_hostile_names_stay_text(page, read):
    assert len(read.all("script")) == 1
    assert [at for _, at in read.tags if any(name.startswith("on") for name in at)] == []
    assert "alert(" not in re.sub(r"&lt;/?script&gt;alert\(1\)|onerror=alert\(2\)&gt;", "", page)
    assert read.text.count(HOSTILE) >= 6


def test_nothing_is_fetched(page, read):
    outside = re.sub(r'(src|poster)="data:[^"]*"', "", page)
    assert re.findall(r"https?:|//[a-z]|url\((?!#)|@import|fetch\(|XMLHttp", outside) == []
    policy = next(at["content"] for at in read.all("meta") if "http-equiv" in at)
    assert policy.startswith("default-src 'none'; img-src data:;")
    script = re.search(r"<script>(.*?)</script>", page, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_every_figure_leads_to_its_file_and_the_command_that_made_it(run, read):
    files = [at["href"] for at in read.all("a") if not at["href"].startswith("#")]
    assert {
        "metrics.json",
        "clips.csv",
        "graph.json",
        "recipe.yaml",
        "run.json",
        "warnings.jsonl",
        "stages/compose/log.jsonl",
        "stages/compose/done.json",
        "samples/held_out.png",
        "videos/a%20b%231.mp4",
    } <= set(files)
    assert [name for name in files if not (run / unquote(name)).exists()] == []
    assert read.text.count("s2vkit run tiny.yaml") == 1  # curves point to it
    assert "written by the command at the top" in read.text
    assert str(run.parent) not in read.text


def test_figures_have_intervals_where_clips_have_theirs(page):
    made = re.search(r"<td class=\"n\">21.5<small>\[(.*?), (.*?)\]</small>", page)
    assert 20.5 <= float(made.group(1)) < 21.5 < float(made.group(2)) <= 22.5
    assert page.count("</small>") == 1  # the others have no figures of clips


def test_clips_show_labels_and_their_own_figures(read):
    captions = re.findall(r"a b#1 *identity s1, emotion .*?psnr 20.5", read.text)
    assert len(captions) == 1
    videos = read.all("video")
    assert len(videos) == 2
    for video in videos:
        assert video["src"].startswith("data:video/mp4;base64,")
        assert base64.b64decode(video["poster"].partition(",")[2])[:2] == b"\xff\xd8"
    ids = {at.get("id") for at in read.all("figure")}
    targets = {at["href"][1:] for at in read.all("a") if at["href"].startswith("#clip-")}
    assert targets == {"clip-a b#1", "clip-c"} <= ids


def test_clips_beyond_the_room_are_played_from_beside(run, tmp_path):
    first = (run / "videos/a b#1.mp4").stat().st_size
    out = tmp_path / "elsewhere" / "page.html"
    page = write_page(run, out, budget=first).read_text(encoding="utf-8")
    sources = [at["src"] for at in Read(page).all("video")]
    assert sources[0].startswith("data:video/mp4;base64,")
    assert (out.parent / unquote(sources[1])).resolve() == run / "videos/c.mp4"
    assert "1 more are played from the run folder" in Read(page).text


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "metrics.json",
        "graph.json",
        "recipe.yaml",
        "clips.csv",
        "warnings.jsonl",
        "videos/clips.json",
        "stages/compose/done.json",
        "stages/compose/log.jsonl",
        "samples/held_out.png",
        "videos/c.mp4",
    ],
)
@pytest.mark.parametrize("how", ["gone", "empty", "cut", "list", "other"])
def test_a_damaged_file_costs_no_other_section(run, tmp_path, name, how):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    path = folder / name
    whole = path.read_bytes()
    other = b'{"a": 1, "stages": [3], "parts": [{"part": 2}], "flows": 5, "map": {"details": 7}}'
    new = {"empty": b"", "cut": whole[: len(whole) // 2], "list": b"[1, 2]", "other": other}
    path.unlink() if how == "gone" else path.write_bytes(new[how])
    read = Read(write_page(folder).read_text(encoding="utf-8"))
    found = [at["id"] for at in read.all("section")]
    assert {"warnings", "time-and-memory", "clips"} <= set(found)
    assert len(found) >= len(SECTIONS) - 3


def test_an_empty_run_has_a_page_too(tmp_path):
    (tmp_path / "metrics.json").write_text("{broken")
    assert "no results yet" in Read(write_page(tmp_path).read_text(encoding="utf-8")).text


def test_a_run_that_was_stopped_says_what_is_missing(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "stages/evaluate/done.json").unlink()
    (folder / "warnings.jsonl").unlink()
    read = Read(write_page(folder).read_text(encoding="utf-8"))
    assert "1 of 2 stages are finished" in read.text
    assert "begun, not finished" in read.text
    assert "None." in read.text


def test_the_layout_leads_to_the_right_without_overlaps():
    heights = {"in": 20.0, "a": 60.0, "b": 90.0, "c": 40.0, "out": 30.0, "alone": 10.0}
    flows = [("in", "a"), ("in", "b"), ("a", "c"), ("b", "c"), ("c", "out"), ("in", "out")]
    made = arrange(heights, flows, width=100, across=40, down=12)
    left = {name: x for name, (x, _) in made.boxes.items()}
    assert left == {"in": 0, "a": 140, "b": 140, "c": 280, "out": 420, "alone": 0}
    assert set(made.flows) == set(flows)
    for a, b in flows:
        points = made.flows[a, b]
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        assert points[0] == (left[a] + 100, made.boxes[a][1])
        assert points[-1] == (left[b], made.boxes[b][1])
    for one, (x, y) in made.boxes.items():
        assert y - heights[one] / 2 >= 0
        assert y + heights[one] / 2 <= made.height + 1e-6
        for other, (u, v) in made.boxes.items():
            if one < other and x == u:
                assert abs(y - v) >= (heights[one] + heights[other]) / 2 + 12 - 1e-6
    passing = made.flows["in", "out"]
    assert len(passing) == 6  # through a place of its own in each layer between


def test_a_circle_and_ends_that_are_nowhere_are_left_out():
    made = arrange(
        {"a": 1.0, "b": 1.0}, [("a", "b"), ("b", "a"), ("a", "x"), ("a", "a")], width=1, across=1, down=1
    )
    assert set(made.boxes) == {"a", "b"}
    assert len(made.flows) <= 1


def test_the_graph_is_drawn_with_what_flows():
    svg = draw(GRAPH["parts"], GRAPH["flows"], "t")
    read = Read(svg)
    assert read.text.count("trained in compose") == 2
    assert "frozen, from cpc.pt" in read.text
    assert "encoder → generator: features" in read.text
    assert len(read.all("rect")) == 5  # three parts, speech and real frames


def test_figures_are_grouped_and_related_ones_share_a_panel():
    line = ([1], [1])
    names = ["a", "b_1", "b_2", "G.x", "G.y", "score.f.real", "score.f.made", "D.x", "D.y", "D.z"]
    groups = panels(dict.fromkeys(names, line))
    shown = {head: {t: [n for n, *_ in lines] for t, lines in held} for head, held in groups.items()}
    assert shown == {
        "": {"a": ["a"], "b_": ["1", "2"]},
        "G": {"G.x": ["G.x"], "G.y": ["G.y"]},
        "score": {"score.f": ["real", "made"]},
        "D": {"D.x": ["D.x"], "D.y": ["D.y"], "D.z": ["D.z"]},
    }
    assert json.dumps(list(panels(dict.fromkeys(names[:4], line)))) == '[""]'
