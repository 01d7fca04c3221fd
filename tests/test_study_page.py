"""The study's page: its text read as HTML, and clicked through in a headless browser."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers_browser import Page, browser

from s2vkit.study.page import write_study_page
from s2vkit.study.plan import KEY, PAGE, SPOILED, TRUTH, Question, plan_study, questions_of, read_study
from s2vkit.study.votes import COLUMNS, read_votes

QUESTIONS = (*questions_of(["natural", "lips"]), Question("q3", 'Odd </script><b>"one", &c?'))


@pytest.fixture
def study():
    return plan_study(["ours", "theirs"], ["a", "b"], QUESTIONS, seed=3, checks=["a"])


def write(folder, study):
    (folder / PAGE).mkdir(parents=True)
    (folder / KEY).write_text(json.dumps(study.key_data({})))
    return write_study_page(folder / PAGE, study.page_data())


class Reader(HTMLParser):
    """Collects tags, what each opens and closes, and the page's data."""

    VOID = {"meta", "input", "br", "link", "img"}

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.ids, self.data, self.inside = [], [], [], "", ""

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        self.inside = given.get("id", "") if tag == "script" else self.inside
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "study":
            self.data += data


def test_the_page_is_whole_and_fetches_nothing(tmp_path, study):
    text = write(tmp_path, study).read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert len(set(reader.ids)) == len(reader.ids)
    assert set(re.findall(r'\$\("(\w+)"\)', text)) <= set(reader.ids)
    assert not [t for t, a in reader.tags if t in ("link", "iframe", "img") or "src" in a]
    assert "http" not in text
    assert json.loads(reader.data) == study.page_data()
    labelled = {a["for"] for t, a in reader.tags if t == "label"}
    assert {a["id"] for t, a in reader.tags if t == "input"} == labelled
    assert "prefers-color-scheme: dark" in text


def test_the_page_does_not_know_whose_a_clip_is(tmp_path, study):
    text = write(tmp_path, study).read_text(encoding="utf-8")
    for word in ("ours", "theirs", '"check"', SPOILED, TRUTH):
        assert word not in text
    held = read_study(tmp_path)
    assert held == study
    assert sorted(p["id"] for p in study.page_data()["pairs"]) == sorted(held.pairs)


def test_sides_are_drawn_and_the_seed_decides():
    clips = [f"c{i}" for i in range(40)]
    one, same, other = (plan_study(["x", "y"], clips, QUESTIONS, seed=s) for s in (1, 1, 2))
    assert one == same
    assert not set(one.shown) & set(other.shown)
    first = [one.system(pair.a) == "x" for pair in one.pairs.values()]
    assert 8 <= sum(first) <= 32
    order = [one.shown[pair.a].clip for pair in one.pairs.values()]
    assert order != sorted(order)
    assert all(one.shown[p.a].clip == one.shown[p.b].clip for p in one.pairs.values())


TOOLS = """
const results = [];
const say = (name, value) => results.push([name, value]);
const key = (k) => document.body.dispatchEvent(
  new KeyboardEvent("keydown", { key: k, bubbles: true, cancelable: true }));
const watch = () => { for (const v of document.querySelectorAll("video"))
  v.dispatchEvent(new Event("ended")); };
const button = (question, choice) => document.querySelector(
  `[data-question="${question}"] [data-choice="${choice}"]`);
const pressed = () => document.querySelectorAll('#questions [aria-pressed="true"]').length;
HTMLMediaElement.prototype.play = () => Promise.resolve();
"""
VISITS = (
    """
say("asked for a name", !$("start").hidden && $("pair").hidden);
$("rater").value = 'Ann "A", 1';
$("begin").click();
say("locked until watched", button("natural", "left").disabled);
key("ArrowLeft");
say("no vote unseen", pressed());
watch();
key("ArrowLeft"); key("ArrowDown");
say("two answers by keys", pressed());
say("not yet next", $("next").disabled);
key("ArrowRight");
say("three answers", [pressed(), $("next").disabled]);
key("Enter");
say("second pair", $("place").textContent);
key("Backspace");
say("back, still answered", [$("place").textContent, pressed()]);
button("lips", "right").click();
key("Enter");
watch();
button("natural", "same").click();
sessionStorage.setItem("before", JSON.stringify(state));
return results;
""",
    """
say("nothing lost", sessionStorage.getItem("before") === JSON.stringify(state));
say("where it was", [$("place").textContent, pressed()]);
watch();
key("ArrowLeft"); key("ArrowLeft"); key("Enter");
while (!$("pair").hidden) {
  watch();
  for (const q of study.questions) button(q.id, "left").click();
  $("next").click();
}
say("the end", [!$("end").hidden, $("file").textContent]);
sessionStorage.setItem("csv", $("csv").value);
return results;
""",
    """
say("still at the end", !$("end").hidden && $("csv").value === sessionStorage.getItem("csv"));
let file = null;
HTMLAnchorElement.prototype.click = function () { file = [this.download, this.href]; };
$("download").click();
say("downloaded", [file[0], await fetch(file[1]).then((r) => r.text())]);
return results;
""",
)
"""What a rater does; between two visits the page is opened anew."""


def visit(tab: Page, page: Path, script: str) -> list:
    """Open the page and run a script in it; returns what it noted."""
    tab.open(page)
    return tab.value(f"(async () => {{ {TOOLS} {script} }})()")


@pytest.mark.skipif(browser() is None, reason="no Chromium or Chrome is installed")
def test_clicked_through_in_a_browser_nothing_is_lost_and_the_csv_is_right(tmp_path, study):
    page = write(tmp_path / "study", study)
    with Page(tmp_path / "profile") as tab:
        noted = [note for script in VISITS for note in visit(tab, page, script)]
    assert noted[:-1] == [
        ["asked for a name", True],
        ["locked until watched", True],
        ["no vote unseen", 0],
        ["two answers by keys", 2],
        ["not yet next", True],
        ["three answers", [3, False]],
        ["second pair", "Pair 2 of 3"],
        ["back, still answered", ["Pair 1 of 3", 3]],
        ["nothing lost", True],
        ["where it was", ["Pair 2 of 3", 1]],
        ["the end", [True, f"votes-{study.id}-Ann_A_1.csv"]],
        ["still at the end", True],
    ]
    name, text = noted[-1][1]
    assert name == f"votes-{study.id}-Ann_A_1.csv"
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert [(r["question"], r["choice"], r["shown"]) for r in rows] == [
        ("natural", "left", "1"),
        ("lips", "right", "1"),
        ("q3", "right", "1"),
        ("natural", "same", "2"),
        ("lips", "left", "2"),
        ("q3", "left", "2"),
        ("natural", "left", "3"),
        ("lips", "left", "3"),
        ("q3", "left", "3"),
    ]
    assert {r["rater"] for r in rows} == {'Ann "A", 1'}
    for row in rows:
        pair = study.pairs[row["pair"]]
        assert {row["left"], row["right"]} == {pair.a, pair.b}
        assert 0 <= int(row["milliseconds"]) < 60000
    votes = tmp_path / "votes.csv"
    votes.write_text(text)
    box = read_votes([votes], study)
    assert box.rows == 9
    assert not [reason for reason in box.rejected if "checks" not in reason]
