"""One page of several runs, and the command that writes pages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings

import pytest
from helpers_cli import call
from helpers_comparison import clips_of, write_run
from helpers_report import HOSTILE, make_run
from helpers_toy import run_toy
from test_report_page import Read

from s2vkit.benchmark.page import write_comparing_page
from s2vkit.errors import RunFolderError, TrainingError
from s2vkit.files import read_lines
from s2vkit.plugins import registry
from s2vkit.runs.warning_log import Notes


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    home = tmp_path_factory.mktemp("several")
    runs = [make_run(home / "a" / "run"), make_run(home / "b" / "run", loss=19.0, clips=("c", "d"))]
    text = (runs[1] / "recipe.yaml").read_text()
    (runs[1] / "recipe.yaml").write_text(text.replace("steps: 200", "steps: 300, batch: 4"))
    return runs


@pytest.fixture(scope="module")
def read(two, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "page.html"
    return Read(
        write_comparing_page(two, out, registry(), command="s2vkit report A B").read_text(encoding="utf-8")
    )


def test_every_part_of_the_comparison_is_there(read):
    assert [at["id"] for at in read.all("section")] == [
        "runs",
        "metrics",
        "the-same-clips",
        "curves",
        "what-differs-in-the-recipes",
        "time-and-memory",
    ]
    assert "a/run · b/run" in read.text
    assert "s2vkit report A B" in read.text
    assert HOSTILE in read.text
    assert len(read.all("script")) == 1


def test_the_same_clips_stand_beside_each_other(read):
    assert [at["id"] for at in read.all("figure") if "id" in at] == ["clip-a/run c", "clip-b/run c"]
    assert "2 more clips are of one run alone" in read.text


def test_recipes_are_told_apart_by_what_differs_alone(read):
    part = re.search(r"What differs in the recipes (.*?) ?From", read.text).group(1)
    assert re.search(r"stages\.compose\.steps ?200 ?300", part)
    assert re.search(r"stages\.compose\.batch ?– ?4", part)
    assert "other values are the same" in part
    assert "stages.evaluate" not in part


def test_figures_of_several_seeds_have_intervals(tmp_path):
    runs = [
        write_run(tmp_path / "ours-1", {"ssim": clips_of(0.8, 0.9, 0.7)}, seed=1),
        write_run(tmp_path / "ours-2", {"ssim": clips_of(0.8, 0.85, 0.75)}, seed=2),
        write_run(tmp_path / "base-1", {"ssim": clips_of(0.5, 0.6, 0.4)}, seed=1, generator="x"),
    ]
    out = write_comparing_page(runs, tmp_path / "p.html", registry())
    page = out.read_text(encoding="utf-8")
    read = Read(page)
    assert re.search(r"<b>0\.80*</b>", page)
    assert re.search(r"0\.50* ?\[0\.\d+, 0\.\d+\]", read.text)
    assert "2 seeds" in read.text
    assert "Without intervals" not in read.text


def test_what_may_not_stand_side_by_side_is_shown_with_the_reason(two, tmp_path):
    text = (two[1] / "recipe.yaml").read_text()
    other = make_run(tmp_path / "other", loss=10.0)
    (other / "recipe.yaml").write_text(text.replace("size: 32", "size: 64"))
    page = write_comparing_page([two[0], other], tmp_path / "p.html", registry())
    read = Read(page.read_text(encoding="utf-8"))
    assert "Without intervals and ranks" in read.text
    assert "psnr" in read.text


def test_a_run_that_is_damaged_or_hardly_begun_is_shown_beside(two, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "run.json").write_text("{")
    page = write_comparing_page([two[0], tmp_path / "new"], tmp_path / "p.html", registry())
    read = Read(page.read_text(encoding="utf-8"))
    assert "0 of 0" in read.text


def test_a_run_given_twice_is_refused(two, tmp_path):
    with pytest.raises(RunFolderError, match="given twice"):
        write_comparing_page([two[0], two[0]], tmp_path / "p.html", registry())


def test_the_command_writes_one_page_or_one_of_several(capsys, monkeypatch, two, tmp_path):
    monkeypatch.chdir(tmp_path)
    called = call(capsys, "report", two[0])
    assert (called.code, called.err) == (0, "")
    assert called.out.endswith("run/report.html\n")
    assert "data:video/mp4" in (two[0] / "report.html").read_text(encoding="utf-8")
    assert call(capsys, "report", two[0], "--embed", 0, "-o", "x/p.html").code == 0
    assert "data:video/mp4" not in (tmp_path / "x/p.html").read_text(encoding="utf-8")
    called = call(capsys, "report", *two)
    assert (called.code, called.out) == (0, "wrote comparison.html\n")
    assert call(capsys, "report", *two).code == 0  # its own page it may write over


def test_the_command_says_in_one_line_what_it_cannot_do(capsys, monkeypatch, two, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precious.py").write_text("x = 1\n")
    (tmp_path / "empty").mkdir()
    for code, words, arguments in (
        (5, "no such run folder", ["nowhere"]),
        (5, "not a run folder", ["empty"]),
        (5, "given twice", [two[0], two[0]]),
        (4, "no page of s2vkit's", [two[0], "-o", "precious.py"]),
        (2, "is a directory", [*two, "-o", "empty"]),
        (2, "Missing argument", []),
    ):
        called = call(capsys, "report", *arguments)
        assert called.code == code, called.err
        assert words in called.err
        assert "Traceback" not in called.err
    assert (tmp_path / "precious.py").read_text() == "x = 1\n"
    assert not (tmp_path / "comparison.html").exists()


def test_a_run_keeps_what_its_page_needs(tmp_path, no_curves):
    run_toy(tmp_path, command="s2vkit run toy.yaml --set seed=3")
    run = tmp_path / "run"
    about = json.loads((run / "run.json").read_text())
    assert about["command"] == "s2vkit run toy.yaml --set seed=3"
    assert [c["command"] for c in about["commands"]] == [about["command"]]
    assert about["seed"] == 1234
    graph = json.loads((run / "graph.json").read_text())
    assert [s["name"] for s in graph["stages"]] == [
        "train_teachers",
        "train_evaluators",
        "distill",
        "pretrain_sync",
        "pretrain_mouth",
        "compose",
        "evaluate",
    ]
    parts = {part["part"]: part for part in graph["parts"]}
    assert parts["generator"]["trained_in"] == ["pretrain_mouth", "compose"]
    assert parts["encoder"]["graphs"] == ["training", "inference"]
    flows = {(f["from"], f["to"]): f["what"] for f in graph["flows"]}
    assert flows["teacher.identity", "student.identity"] == "target"
    assert flows["generator", "discriminator.identity"] == "generated identity maps"
    assert flows["encoder", "generator"] == "features"
    for stage in ("train_teachers", "compose", "evaluate"):
        done = json.loads((run / "stages" / stage / "done.json").read_text())
        assert 50e6 < done["memory"]["resident"] < 50e9
        assert done["command"] == about["command"]
        assert done["finished"].endswith("UTC")
    read = Read((run / "report.html").read_text(encoding="utf-8"))
    assert "could not be drawn" not in read.text
    assert {"graph", "clips", "every-clip", "confusions"} <= {at["id"] for at in read.all("section")}
    assert "None." in read.text
    run_toy(tmp_path, command="s2vkit run toy.yaml --set seed=4")  # nothing to do: kept
    assert json.loads((run / "run.json").read_text())["command"].endswith("seed=4")


def test_warnings_are_kept_with_their_stage_and_told_once(tmp_path):
    notes = Notes(tmp_path)
    notes.stage = "compose"
    with pytest.warns(UserWarning, match="odd"), notes.listening():
        warnings.warn("odd", stacklevel=1)
    shown = warnings.showwarning
    notes.add("the generator lost")
    notes.add("the generator lost")
    again = Notes(tmp_path)
    again.stage = "compose"
    again.add("the generator lost")
    again.stage = "distill"
    again.add("another")
    kept = read_lines(tmp_path / "warnings.jsonl")
    assert [(note["stage"], note["source"]) for note in kept] == [
        ("compose", "python"),
        ("compose", "s2vkit"),
        ("distill", "s2vkit"),
    ]
    assert kept[0]["text"].startswith("UserWarning: odd (tests/test_report_several.py:")
    again.forget("compose")
    assert [note["text"] for note in read_lines(tmp_path / "warnings.jsonl")] == ["another"]
    assert shown is warnings.showwarning


PEAK = """
import numpy as np, torch
from s2vkit.engine.memory import Peak

peak = Peak(torch.device("cpu"))
before = peak.read()
held = np.ones(40_000_000)
after = peak.read()
assert after["resident"] - before["resident"] > 100e6
del held
if peak.anew:  # Linux: a new watch begins from what is held now
    assert Peak(torch.device("cpu")).read()["resident"] < after["resident"] - 100e6
"""


def test_the_peak_of_memory_is_of_what_came_since():
    """In a process of its own: what other tests held before is a peak that cannot be passed."""
    subprocess.run([sys.executable, "-c", PEAK], check=True, timeout=120)


def test_a_run_that_cannot_go_on_leaves_a_page_that_says_why(tmp_path):
    make_run(tmp_path / "run")
    notes = Notes(tmp_path / "run")
    notes.stage = "compose"
    error = TrainingError("stage 'compose', step 3: D.frame is no longer a number")
    with pytest.raises(TrainingError), notes.telling_why():
        raise error
    read = Read((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    assert "the run ended here: stage 'compose', step 3: D.frame is no longer" in read.text
