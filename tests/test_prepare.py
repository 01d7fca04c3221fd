"""`s2vkit prepare`, `s2vkit inspect`, and `s2vkit run` on a folder of videos."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import helpers_toy
import numpy as np
import pytest
from helpers_cli import RECIPES, call
from helpers_footage import folder_of_videos, write_video
from helpers_toy import load_toy, run_toy
from PIL import Image

from s2vkit.data.corpus import FootageCorpus
from s2vkit.data.facts import count, open_corpus, problems, spread
from s2vkit.errors import InputError
from s2vkit.files import read_json
from s2vkit.media import probe
from s2vkit.report.corpus_page import draw_waveform


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return folder_of_videos(tmp_path_factory.mktemp("videos"), speakers=2, each=4)


@pytest.fixture(scope="module")
def out(root, tmp_path_factory):
    from s2vkit.cli.guard import guard
    from s2vkit.cli.main import cli

    out = tmp_path_factory.mktemp("prepared") / "out"
    words = words_of(root, out, "--set", "folders=[identity]")
    assert guard(cli, [str(word) for word in words]) == 0
    return out


def words_of(root, out, *more):
    """The words of a command that prepares small clips in this process, without a detector."""
    command = ["prepare", "--dataset", "folder", "--root", root, "--output", out]
    return [*command, "--detector", "none", "--workers", "0", "--set", "size=32", *more]


def prepare(capsys, root, out, *more):
    return call(capsys, *words_of(root, out, *more))


# s2vkit prepare


def test_prepare_says_what_became_of_every_file(tmp_path, capsys):
    root = tmp_path / "in"
    for n in range(3):
        write_video(root / f"{n}.mp4", seed=n)
    write_video(root / "mute.mp4", sound=False)
    (root / "notes.txt").touch()
    done = prepare(capsys, root, tmp_path / "out")
    assert done.code == 0
    said = " ".join(done.out.split())
    assert f"folder in {root}: 4 videos not of the corpus: notes.txt" in said.replace("\n", " ")
    assert re.search(r"prepared │ 3 │ 3 │ 0.00", said)
    assert re.search(r"no_sound_track │ 1 │ 0", said)
    assert (tmp_path / "out" / "report.csv").is_file()
    again = prepare(capsys, root, tmp_path / "out")
    assert again.code == 0
    write_video(root / "new.mp4", seed=9)
    assert "1 more videos than this corpus was made of" in " ".join(
        prepare(capsys, root, tmp_path / "out").out.split()
    )


def test_prepare_stops_above_a_share_of_failures(tmp_path, capsys):
    for n in range(3):
        write_video(tmp_path / "in" / f"{n}.mp4", sound=n == 0, seed=n)
    done = prepare(capsys, tmp_path / "in", tmp_path / "out")
    assert done.code == 4
    assert "2 of 3 files were rejected, more than 50%" in done.err
    assert "no_sound_track" in done.out
    done = prepare(capsys, tmp_path / "in", tmp_path / "out", "--max-rejected", "0.7")
    assert done.code == 0


def test_prepare_of_a_recipe(tmp_path, root, capsys):
    sets = ["data.size=32", "data.face_detector=none"]
    done = call(
        capsys,
        "prepare",
        "--recipe",
        RECIPES / "folder.yaml",
        "--root",
        root,
        "--output",
        tmp_path / "out",
        "--workers",
        "0",
        *[w for s in sets for w in ("--set", s)],
    )
    assert done.code == 0, done.err
    assert "ann0" in read_json(tmp_path / "out" / "index.json")["labels"]["identity"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "give either --recipe or --dataset"),
        (["--dataset", "folder", "--root", "x"], 2, "--dataset needs --output DIR"),
        (["--dataset", "synthetic", "--root", "x", "--output", "y"], 3, "unknown key"),
        (["--dataset", "foldr", "--root", "x", "--output", "y"], 3, "did you mean 'folder'"),
        (["--dataset", "folder", "--root", "x", "--output", "y", "--set", "sise=3"], 3, "'size'"),
        (["--dataset", "folder", "--root", "nowhere", "--output", "y"], 4, "no such folder"),
        (["--recipe", str(RECIPES / "tiny.yaml")], 2, "needs no preparing"),
        (["--dataset", "folder", "--root", ".", "--output", "y", "--rank", "3"], 4, "--rank K/N"),
    ],
)
def test_prepare_says_what_is_wrong(tmp_path, monkeypatch, capsys, words, code, said):
    monkeypatch.chdir(tmp_path)
    done = call(capsys, "prepare", *words)
    assert done.code == code, done.err
    assert said in done.err + done.out
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("name", ["folder", "cremad", "voxceleb2"])
def test_recipes_of_corpora_validate(name, capsys):
    assert call(capsys, "validate", RECIPES / f"{name}.yaml").code == 0


# s2vkit inspect


def test_inspect_counts(out, capsys):
    told = json.loads(call(capsys, "inspect", out, "--json").out)
    assert told["clips"] == 8
    assert told["hours"] == pytest.approx(8 * 1.2 / 3600, abs=1e-3)
    assert told["splits"] == {}  # they belong to runs
    assert {s: c["clips"] for s, c in told["identity"].items()} == {"ann0": 4, "ann1": 4}
    assert told["outcomes"] == [
        {"outcome": "prepared", "files": 8, "clips": 8, "hours": 0.0026666666666666666}
    ]
    assert told["problems"] == []


def test_inspect_makes_a_page_that_stands_alone(out, tmp_path, capsys):
    done = call(capsys, "inspect", out, "--output", tmp_path, "--clips", "2", "--faces", "4")
    assert done.code == 0
    assert "identity  clips  minutes" in done.out
    assert "train" not in done.out
    assert "no problem was found" in done.out
    page = (tmp_path / "inspect.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    videos = re.findall(r"data:video/mp4;base64,([\w+/=]+)", page)
    assert len(videos) == 2
    (tmp_path / "clip.mp4").write_bytes(base64.b64decode(videos[0]))
    assert [s["type"] for s in probe(tmp_path / "clip.mp4")["streams"]] == ["video", "audio"]
    assert page.count('alt="waveform"') == 2
    with Image.open(tmp_path / "faces.png") as sheet:
        assert sheet.size[1] == 4 * 34 + 2


def test_inspect_finds_problems(tmp_path, capsys):
    root = tmp_path / "in"
    for n in range(3):
        write_video(root / "ann" / f"{n}.mp4", seed=n)
    write_video(root / "bob" / "1.mp4", seed=5)
    write_video(root / "unknown.mp4", seed=6)
    out = tmp_path / "out"
    prepare(capsys, root, out, "--set", "folders=[identity]", "--set", "val=0", "--set", "test=0")
    store = open_corpus(out)
    found = problems(store, spread(store, 5))
    assert "identity: a single clip of bob" in found
    assert "identity: not known of 1 clips" in found
    assert count(store, "identity")["(not known)"].clips == 1
    (out / "shards" / "000000.tar").rename(tmp_path / "away")
    found = problems(open_corpus(out), [])
    assert "shards/000000.tar is missing" in found


def test_what_is_no_corpus_is_told(tmp_path, capsys):
    assert "not a prepared corpus" in call(capsys, "inspect", tmp_path).err
    (tmp_path / "parts").mkdir()
    with pytest.raises(InputError, match="not whole yet"):
        open_corpus(tmp_path)


def test_clips_are_spread_over_speakers(out):
    store = open_corpus(out)
    chosen = spread(store, 4)
    assert [store.clips[i].labels["identity"] for i in chosen] == ["ann0", "ann1"] * 2
    assert len(set(spread(store, 100))) == 8


def test_a_waveform_is_as_high_as_it_is_loud():
    silence, loud = draw_waveform(np.zeros(16000)), draw_waveform(np.tile([0.9, -0.9], 8000))
    assert (silence[:, 320].mean(1) < 200).sum() == 1
    assert (loud[:, 320].mean(1) < 200).sum() == pytest.approx(0.9 * 79, abs=3)


# s2vkit run


def small(root: Path, folder: Path, *more: str) -> tuple[str, ...]:
    """Lay the small recipe over a folder of videos; no emotion is known."""
    data = (
        f"data: {{use: folder, root: '{root}', corpus: '{folder}/out', folders: [identity], "
        "size: 32, face_detector: none}\n"
    )
    return (
        data + "teachers: {emotion: null}\nevaluators: {emotion: null, mouth_aperture: null}\n"
        "stages: {evaluate: {metrics: {emotion_accuracy: null, mouth_aperture_correlation: null, "
        "mouth_movement: null}}}\n",
        *more,
    )


def test_a_run_cuts_a_folder_trains_and_renders(root, tmp_path):
    more = small(root, tmp_path)
    dry = run_toy(tmp_path, more=more, dry=True)
    assert "clips to be cut out of 8 videos" in " ".join(dry.split())
    assert not (tmp_path / "out").exists()
    said = run_toy(tmp_path, more=more)
    assert "cutting clips" in said
    assert "8 clips, decoded in" in " ".join(said.split())
    assert (tmp_path / "run" / "metrics.json").exists()
    assert list((tmp_path / "run" / "videos").glob("*.mp4"))
    again = run_toy(tmp_path, more=more, quiet=False)
    assert "cutting clips" not in again
    assert "done already" in again
    # the corpus is known by its content: where it lies, and where it was read from, is all one
    (tmp_path / "out").rename(tmp_path / "moved")
    moved = [f"data.corpus={tmp_path}/moved", "data.root=null"]
    said = run_toy(tmp_path, *moved, more=more, quiet=False)
    assert "6 steps of" not in said
    assert said.count("done already") == 7


def test_shards_train_to_the_same_weights_as_their_cache(root, tmp_path):
    for name, budget in (("cached", 1), ("shards", 0)):
        more = small(root, tmp_path / name)
        stages = ("train_teachers",)
        said = run_toy(tmp_path / name, f"data.crop_cache_gb={budget}", more=more, stages=stages)
        assert ("decoded in" if budget else "read from the shards of") in " ".join(said.split())
    one, other = (
        (tmp_path / n / "run/stages/train_teachers/weights.safetensors").read_bytes()
        for n in ("cached", "shards")
    )
    assert one == other


def test_labels_that_nobody_knows_are_asked_for(tmp_path):
    root = tmp_path / "in"
    for n in range(8):
        write_video(root / f"{n}.mp4", seed=n)
    more = small(root, tmp_path)
    with pytest.raises(InputError, match="no clip has a known 'identity'"):
        run_toy(tmp_path, "data.folders=[]", more=more)
    assert not (tmp_path / "out").exists()


def test_the_dataset_of_a_recipe_is_the_corpus(root, tmp_path):
    from s2vkit.build import Builder

    loaded = load_toy(tmp_path, more=small(root, tmp_path))
    corpus = Builder(loaded.recipe, helpers_toy.REGISTRY).dataset()
    assert isinstance(corpus, FootageCorpus)
    assert not corpus.ready
    assert corpus.labels == {"identity": ("ann0", "ann1")}
