"""A comparison as one command: take-over of stages, resuming, measuring again, the figures."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_cli import call
from helpers_compare import compare_toy, write_comparison
from helpers_toy import REGISTRY
from PIL import Image
from rich.console import Console

from s2vkit.benchmark.finished_runs import read_run
from s2vkit.benchmark.measure import read_or_measure
from s2vkit.benchmark.request import Asked
from s2vkit.benchmark.systems import Drawn, tabulate
from s2vkit.benchmark.unseen_speakers import Voice, agreements, attributes_of, most_alike
from s2vkit.engine.run import Run, run_recipe
from s2vkit.engine.stop import Stopped
from s2vkit.engine.view import View
from s2vkit.errors import RecipeError, RunFolderError
from s2vkit.files import read_json
from s2vkit.interfaces.dataset import ClipFiles
from s2vkit.recipe.comparison import load_comparison
from s2vkit.report.figures import GAP, LINE, MARGIN, Block, draw_sheet
from s2vkit.runs.reuse import reuse

pytestmark = pytest.mark.usefixtures("no_curves", "no_clips")


def weights(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("weights.safetensors"))}


def done_when(table: Path) -> dict[str, int]:
    return {str(p.relative_to(table)): p.stat().st_mtime_ns for p in table.glob("*/stages/*/done.json")}


@pytest.fixture(scope="module")
def no_clips():
    """Show no clips of runs: their own tests do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("s2vkit.rendering.held_out.show_clips", lambda work, marking=None: None)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory, no_curves, no_clips):
    """A whole comparison of two systems at two seeds, and what it printed."""
    folder = tmp_path_factory.mktemp("table")
    (folder / "printed").write_text(compare_toy(folder))
    return folder


# Running


def test_one_command_leaves_runs_table_and_figures(home):
    table = home / "table"
    assert {p.name for p in table.iterdir()} == {
        "ours-1",
        "ours-2",
        "flat-1",
        "flat-2",
        "figure3.png",
        "figure4.png",
        "table1.md",
        "table1.csv",
        "table1.tex",
        "table1.json",
    }
    told = read_json(table / "table1.json")
    assert [s["title"] for s in told["systems"]] == ["ours", "no gradient"]
    assert [s["seeds"] for s in told["systems"]] == [[1, 2], [1, 2]]
    ssim = next(m for m in told["metrics"] if m["metric"] == "ssim")
    for system in told["systems"]:
        cell = ssim["systems"][system["title"]]
        assert cell["interval"]["low"] <= cell["value"] <= cell["interval"]["high"]
        for run in system["runs"]:
            metrics = read_json(table / run["metrics"])
            assert cell["of_seeds"][str(run["seed"])] == metrics["ssim"]["value"]
            assert run["command"] == "s2vkit run table1.yaml"
            assert run["folder"] in ("ours-1", "ours-2", "flat-1", "flat-2")
    assert told["notes"] == []
    assert "[4/4] no gradient, seed 2" in (home / "printed").read_text()


def test_the_clips_of_a_run_are_those_of_its_metrics(home):
    run = read_run(home / "table" / "ours-1")
    assert len(run.figures["ssim"].clips) == run.figures["ssim"].n
    assert "clips" not in read_json(home / "table" / "ours-1" / "metrics.json")["ssim"]
    header = (home / "table" / "ours-1" / "clips.csv").read_text().splitlines()[0]
    assert header.startswith("clip,split,label.emotion,label.identity")
    assert header.endswith("ssim,psnr,face_sharpness,mouth_sharpness,mouth_movement")


def test_a_stage_that_comes_out_the_same_is_taken_over_and_is_the_same(home, tmp_path):
    table = home / "table"
    for seed in (1, 2):
        for stage in ("train_teachers", "train_evaluators", "distill"):
            done = read_json(table / f"flat-{seed}" / "stages" / stage / "done.json")
            assert done["taken_from"] == f"../../../ours-{seed}/stages/{stage}"
        assert "taken_from" not in read_json(table / f"flat-{seed}" / "stages" / "compose" / "done.json")
        assert "taken_from" not in read_json(
            table / f"ours-{seed}" / "stages" / "train_evaluators" / "done.json"
        )
    alone = load_comparison(write_comparison(tmp_path), ["seeds=[1]", f"output={tmp_path}/alone"], REGISTRY)
    flat = next(run for run in alone.runs if run.system == "flat")
    run_recipe(flat.loaded, console=Console(file=io.StringIO()), registry=REGISTRY, quiet=True)
    assert weights(flat.folder) == weights(table / "flat-1")
    assert read_json(flat.folder / "metrics.json") == read_json(table / "flat-1" / "metrics.json")


def test_only_the_very_same_stage_is_taken_over(home, tmp_path):
    loaded = load_comparison(write_comparison(tmp_path), ["seeds=[1]"], REGISTRY).runs[0].loaded
    run = Run(loaded, tmp_path / "run", Console(file=io.StringIO()), None, REGISTRY)
    theirs = tmp_path / "donor" / "stages" / "train_evaluators"
    shutil.copytree(home / "table" / "ours-1" / "stages" / "train_evaluators", theirs)
    done = read_json(theirs / "done.json")

    def taken(dry=False, **facts):
        (theirs / "done.json").write_text(json.dumps({**done, **facts}))
        return reuse(run.plan, [tmp_path / "nowhere", tmp_path / "donor"], run.view, dry=dry)

    assert taken(result=None) == []
    assert taken(result="another") == []
    (theirs / "weights.safetensors").rename(theirs / "away")
    assert taken() == []
    (theirs / "away").rename(theirs / "weights.safetensors")
    checkpoint = tmp_path / "run" / "stages" / "train_evaluators" / "checkpoint"
    checkpoint.mkdir(parents=True)
    step = next(step for step in run.plan.steps if step.name == "train_evaluators")
    before = step.progress
    assert taken(dry=True) == ["train_evaluators"]
    assert step.done
    assert sorted(checkpoint.parent.iterdir()) == [checkpoint]  # nothing is written
    step.progress = before
    assert taken() == ["train_evaluators"]
    assert not checkpoint.exists()
    assert step.done
    assert (checkpoint.parent / "weights.safetensors").is_file()
    assert taken() == []  # it is done


def test_a_comparison_that_is_done_does_nothing_again(home):
    before, table = done_when(home / "table"), (home / "table" / "table1.json").read_bytes()
    compare_toy(home)
    assert done_when(home / "table") == before
    assert (home / "table" / "table1.json").read_bytes() == table


def test_an_interrupted_comparison_goes_on_to_the_same_table(home, tmp_path, monkeypatch):
    import signal

    pressed = []

    def press(self, done, total, figures=None, before=View.advance):
        before(self, done, total, figures)
        if (
            self._title == "compose"
            and done >= 2
            and len(list(tmp_path.glob("table/*-1"))) == 2
            and not pressed
        ):
            pressed.append(done)
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(View, "advance", press)
        with pytest.raises(Stopped):
            compare_toy(tmp_path, "seeds=[1]")
    assert not (tmp_path / "table" / "table1.json").exists()
    kept = done_when(tmp_path / "table")
    compare_toy(tmp_path, "seeds=[1]")
    after = done_when(tmp_path / "table")
    assert {name: when for name, when in after.items() if name in kept} == kept
    for name in ("ours-1", "flat-1"):
        assert weights(tmp_path / "table" / name) == weights(home / "table" / name)


def test_a_dry_run_checks_every_system_and_writes_nothing(tmp_path):
    said = compare_toy(tmp_path, dry=True)
    assert not (tmp_path / "table").exists()
    assert "4. no gradient, seed 2" in said
    assert said.count("one step of every stage on fake data") == 2


def test_the_command_runs_a_comparison(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("s2vkit.plugins.registry", lambda: REGISTRY)
    more = ["--dry-run", "--device", "cpu", "--set", "seeds=[5]"]
    path = write_comparison(tmp_path)
    called = call(capsys, "run", path, *more, "--output", tmp_path / "elsewhere")
    assert called.code == 0, called.err
    assert f"2. no gradient, seed 5: {tmp_path}/elsewhere/flat-5" in called.out.replace("\n", "")
    assert not (tmp_path / "elsewhere").exists()


# Measuring again


QUIET = Console(file=io.StringIO())


def test_another_split_is_measured_beside_the_runs_own_figures(home):
    folder = home / "table" / "ours-1"
    own = (folder / "metrics.json").read_bytes()
    found = read_or_measure(folder, Asked(split="val", command="the command"), QUIET, REGISTRY)
    assert found.split == "val"
    assert found.place == folder / "measured" / "val"
    assert found.about["command"] == "the command"
    assert (folder / "metrics.json").read_bytes() == own
    when = (found.place / "metrics.json").stat().st_mtime_ns
    again = read_or_measure(folder, Asked(split="val"), QUIET, REGISTRY)
    assert (again.place / "metrics.json").stat().st_mtime_ns == when
    assert set(found.figures["ssim"].clips).isdisjoint(read_run(folder).figures["ssim"].clips)


def test_measured_again_gives_the_same_figures(home):
    folder = home / "table" / "flat-1"
    found = read_or_measure(folder, Asked(again=True), QUIET, REGISTRY)
    assert found.place == folder / "measured" / "test"
    assert (found.place / "metrics.json").read_bytes() == (folder / "metrics.json").read_bytes()
    assert (found.place / "clips.csv").read_bytes() == (folder / "clips.csv").read_bytes()


def test_a_run_made_before_clips_csv_is_measured_again_on_request(home, tmp_path):
    folder = tmp_path / "old-1"
    shutil.copytree(home / "table" / "ours-1", folder)
    (folder / "clips.csv").unlink()
    made = tabulate([folder], Asked(), None, Drawn(), console=QUIET, registry=REGISTRY)
    assert made.rows[0].cells[0].interval is None
    assert "--again" in " ".join(made.notes)
    made = tabulate([folder], Asked(again=True), None, Drawn(), console=QUIET, registry=REGISTRY)
    assert made.rows[0].cells[0].interval is not None


def test_other_metrics_and_fewer_clips_are_measured(home):
    folder = home / "table" / "ours-1"
    asked = Asked(clips=3, metrics={"sharp": "cpbd"}, sets=["stages.evaluate.metrics.sharp.block=16"])
    found = read_or_measure(folder, asked, QUIET, REGISTRY)
    assert set(found.figures) == {"sharp"}
    assert found.figures["sharp"].n == 3
    with pytest.raises(RecipeError, match="sharpp"):
        read_or_measure(folder, Asked(metrics={"sharpp": "sharpp"}), QUIET, REGISTRY)


def test_a_evaluator_that_nobody_taught_is_refused(home):
    asked = Asked(
        metrics={"av": "av_confidence"}, sets=["sync_evaluator={use: syncnet, width: 0.1, input_size: 56}"]
    )
    with pytest.raises(RunFolderError, match="sync_evaluator was taught by no stage"):
        read_or_measure(home / "table" / "ours-1", asked, QUIET, REGISTRY)
    assert not list((home / "table" / "ours-1").glob("measured/test-????????"))


def test_a_run_folder_is_no_place_for_a_comparison(home):
    with pytest.raises(RunFolderError, match="not the folder of a comparison"):
        compare_toy(home, f"output={home}/table/ours-1")


# Figures


def test_a_sheet_has_every_picture_in_its_place(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (2, 2, 3, 32, 32, 3), np.uint8)
    blocks = [
        Block(
            f"clip {b}",
            [("truth", pictures[b, 0]), ("a long name\nsex 1/2", pictures[b, 1])],
            ["0 s", "1 s", "2 s"],
        )
        for b in range(2)
    ]
    layout = draw_sheet(tmp_path / "s.png", "title", blocks)
    with Image.open(tmp_path / "s.png") as image:
        sheet = np.asarray(image)
    assert sheet.shape[:2] == (layout.height, layout.width)
    assert (layout.scale, layout.side) == (3, 96)
    top = MARGIN + LINE + GAP
    for b in range(2):
        top += 2 * LINE
        for r in range(2):
            for c in range(3):
                left = layout.left(c)
                found = sheet[top : top + 96 : 3, left : left + 96 : 3]
                np.testing.assert_array_equal(found, pictures[b, r, c])
            top += 96 + GAP
        top += MARGIN
    assert top + MARGIN == layout.height
    assert sheet[:, : layout.left(0)].min() < 100  # the labels
    with pytest.raises(ValueError, match="in one sheet"):
        draw_sheet(tmp_path / "t.png", "x", [Block("a", [("r", [pictures[0, 0, 0], pictures[0, 0, 0][:5]])])])


def test_figure_3_has_a_row_of_truth_and_one_of_each_system(home):
    told = read_json(home / "table" / "table1.json")["figures"][0]
    assert "rows: truth, ours, no gradient; columns: time; seed 1" in told["shows"]
    assert told["runs"] == ["ours-1", "flat-1"]
    assert set(told["clips"]) <= set(read_json(home / "table" / "table1.json")["clips"])
    with Image.open(home / "table" / "figure3.png") as image:
        width, height = image.size
    clips = len(told["clips"])
    assert height == 2 * MARGIN + LINE + GAP + clips * (2 * LINE + 3 * (96 + GAP) + MARGIN)
    assert width > 8 * 100


def test_figure_4_is_of_voices_that_training_never_heard(home):
    told = read_json(home / "table" / "table1.json")
    assert told["figures"][1]["shows"].endswith("voices: s2, s3")
    assert {clip.split("_")[0] for clip in told["figures"][1]["clips"]} == {"s2", "s3"}
    assert {(one["system"], one["seed"]) for one in told["unseen"]["found"]} == set()
    with Image.open(home / "table" / "figure4.png") as image:
        assert image.height == 2 * MARGIN + LINE + GAP + 2 * (2 * LINE + 3 * (96 + GAP) + MARGIN)


def test_attributes_are_labels_that_go_with_the_speaker_and_tell_something():
    def clip(name, who, emotion, **more):
        return ClipFiles(name, {"identity": who, "emotion": emotion, **more}, "train")

    clips = [
        clip("a", "x", "sad", sex="f", kind="human"),
        clip("b", "x", "glad", sex="f", kind="human"),
        clip("c", "y", "sad", sex="m", kind="human"),
    ]
    assert attributes_of(clips) == {"x": {"sex": "f"}, "y": {"sex": "m"}}


def test_whom_a_face_is_most_alike():
    gallery = {
        "x": torch.tensor([[1.0, 0.0], [1.0, 0.2]]),
        "y": torch.tensor([[0.0, 1.0]]),
        "z": torch.tensor([[-1.0, 0.0], [-0.2, 5.0]]),
    }
    assert most_alike(torch.tensor([2.0, 0.1]), gallery) == "x"
    assert most_alike(gallery["y"][0], gallery) == "y"
    assert most_alike(gallery["y"][0], gallery, ("y", 0)) == "z"  # its only clip is left out


def test_agreement_is_the_share_of_clips_and_chance_that_of_people():
    known = {"x": {"sex": "f"}, "y": {"sex": "m"}, "z": {"sex": "m"}, "w": {}}
    voices = [
        Voice("x", known["x"], like_generated=["x", "y"], like_real=["x", "x"]),
        Voice("z", known["z"], like_generated=["y", "x"], like_real=["z", "y"]),
        Voice("w", known["w"], like_generated=["x", "x"], like_real=["x", "x"]),
    ]
    (found,) = agreements("ours", 1, voices, known)
    assert (found.attribute, found.generated, found.on_real) == ("sex", 0.5, 1.0)
    assert (found.chance, found.clips, found.speakers) == ((0.25 + 0.5) / 2, 4, 2)


def test_without_unheard_voices_the_table_says_why_there_is_no_figure_4(home, tmp_path):
    folders = [home / "table" / "ours-1"]
    made = tabulate(folders, Asked(), tmp_path / "o", Drawn(), console=QUIET, registry=REGISTRY)
    assert not (tmp_path / "o" / "figure4.png").exists()
    assert "every speaker of the corpus is in training" in " ".join(made.notes)
    assert "every speaker of the corpus is in training" in (tmp_path / "o" / "table1.md").read_text()
