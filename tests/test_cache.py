"""The cache of what is computed once: its keys, its precision, its bounds, its command."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_cli import call
from helpers_shelf import held_by_another, hold_entry, make_slowly
from helpers_toy import REGISTRY, done_when, load_toy, run_toy
from torch import nn

from s2vkit import FileName, Options, Slot
from s2vkit.cli.cache import parse_size, parse_span, span_text
from s2vkit.data.arrays import Arrays, Halves
from s2vkit.data.cache_entries import choose, holding, list_entries, lock_of, prune
from s2vkit.files import locked
from s2vkit.options import TeacherSlot, file_fields
from s2vkit.runs.digest import digest_of_file, digest_of_module, result_options
from s2vkit.units import size_text

DAY = 86400.0


def fill(cache: Path, name: str, size: int = 1000, days: float = 0.0, run: Path | None = None):
    """Make an entry of about `size` bytes, last used `days` ago."""
    folder = cache / name

    folder.mkdir(parents=True)
    (folder / "a.npy").write_bytes(b"x" * size)
    if run:
        with holding(folder, run):
            pass
    then = time.time() - days * DAY
    for path in (folder, *(cache / ".uses" / name).glob("*.json")):
        os.utime(path, (then, then))
    return folder


# Keys


def entries(folder: Path) -> set[str]:
    return {kept.path.name for kept in list_entries(folder / "cache")}


def test_runs_share_what_hangs_on_nothing_that_differs(home):
    first = entries(home)
    assert {name.split("-")[0] for name in first} == {"corpus", "speech", "faces"}
    run_toy(home, "output=" + str(home / "other"), "name=other", stages=["distill"])
    assert entries(home) == first
    used = [kept.runs for kept in list_entries(home / "cache")]
    assert all(len(runs) == 2 for runs in used)


@pytest.fixture(scope="module")
def distilled(tmp_path_factory):
    """A run up to the students, never to be touched."""
    folder = tmp_path_factory.mktemp("distilled")
    run_toy(folder, stages=["distill"])
    return folder


@pytest.fixture
def home(distilled, tmp_path):
    """A copy of it and of its cache."""
    shutil.copytree(distilled, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize(
    ("setting", "kinds"),
    [
        ("alignment.shift=0.05", {"speech"}),
        ("stages.distill.segments=3", {"speech"}),
        ("stages.distill.cached_frames={emotion: 3}", {"faces-emotion"}),
        ("stages.train_teachers.steps=5", {"faces-emotion", "faces-identity"}),  # other weights
        ("students.identity.hidden=[8]", set()),
    ],
)
def test_keys_hang_on_weights_and_preprocessing(home, setting, kinds):
    first = entries(home)
    run_toy(home, setting, stages=["distill"])
    assert {name.rpartition("-")[0] for name in entries(home) - first} == kinds


def test_keys_hang_on_the_clips_themselves(home):
    """Other options of a dataset that make the same clips share; one sample's difference not."""
    first = entries(home)
    run_toy(home, "data.pause=0.001", stages=["distill"])
    assert {name.rpartition("-")[0] for name in entries(home) - first} == {"corpus-toy"}


class Inner(Options):
    """Options that name files, in each way that there is."""

    checkpoint: str | None = None
    table: FileName | None = None
    parts: list[Path] = []
    mode: str = "mean"


class Outer(Options):
    """Options that hold a slot and other options."""

    inner: Inner = Inner()
    teacher: TeacherSlot | None = None
    checkpoint: str | None = None
    words: dict[str, str] = {}


def test_a_checkpoint_counts_by_its_content(tmp_path):
    file, other = tmp_path / "a.pth", tmp_path / "b.pth"
    file.write_bytes(b"1" * 100)
    other.write_bytes(b"1" * 100)
    content = digest_of_file(file)
    inner = Inner(checkpoint=str(file), table=str(file), parts=[file, other], mode=str(file))
    said = result_options(Slot("metric", "x", Outer(inner=inner, checkpoint=str(other))))
    assert said["use"] == "x"
    assert said["checkpoint"] == content
    assert said["inner"] == {
        "checkpoint": content,
        "table": content,
        "parts": [content, content],
        "mode": str(file),
    }
    slot = Slot("teacher", "y", Inner(checkpoint=str(file)))
    assert result_options(Outer(teacher=slot))["teacher"]["checkpoint"] == content
    file.write_bytes(b"2" * 100)
    assert result_options(inner) != result_options(inner.model_copy(update={"checkpoint": str(other)}))
    for text in ("no\0path", "x" * 10000):
        assert result_options(Inner(checkpoint=text))["checkpoint"] == text


def test_a_file_that_is_called_as_an_option_says_changes_nothing(tmp_path, monkeypatch):
    """Only declared options are looked up in the folder where s2vkit is called."""
    recipe = load_toy(tmp_path).recipe
    slots = [recipe.generator, recipe.audio_encoder, *recipe.stages.values()]
    before = [result_options(slot) for slot in slots]
    assert before[:2] == [json.loads(json.dumps(slot.dump())) for slot in slots[:2]]
    words = set(re.findall(r"[a-z_0-9]+", json.dumps(before)))
    monkeypatch.chdir(tmp_path)
    for word in words - {"run", "cache"}:
        Path(word).touch()
    assert [result_options(slot) for slot in slots] == before


def test_every_option_that_reads_a_file_is_declared():
    """Those whose description begins with the word file, of all components that there are."""
    for entry in REGISTRY.of_kind():
        if entry.kind == "dataset":  # their files are their own affair
            continue
        told = {
            name
            for name, field in entry.options.model_fields.items()
            if (field.description or "").startswith("file ")
        }
        assert told <= file_fields(entry.options), entry.name


def test_changing_a_checkpoint_runs_its_stages_again_and_moving_it_does_not(tmp_path):
    from s2vkit_vggface import VggFaceOptions
    from s2vkit_vggface.teacher import VggFace

    def write(path: Path, seed: int) -> None:
        torch.manual_seed(seed)
        options = VggFaceOptions(width=0.0625, input_size=32)
        torch.save(VggFace(options, size=32, labels=("s0", "s1")).state_dict(), path)

    def run(path: Path) -> int:
        sets = (f"teachers.identity.checkpoint={path}", "teachers.identity.input_size=32")
        run_toy(tmp_path, *sets, stages=["distill"])
        return done_when(tmp_path)["distill"]

    first, moved = tmp_path / "v.pth", tmp_path / "moved.pth"
    write(first, 0)
    done = run(first)
    first.rename(moved)
    assert run(moved) == done
    write(moved, 1)
    assert run(moved) > done


def test_a_modules_digest_is_of_its_weights():
    a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    b.load_state_dict(a.state_dict())
    assert digest_of_module(a) == digest_of_module(b)
    with torch.no_grad():
        b.bias[1] += 1e-6
    assert digest_of_module(a) != digest_of_module(b)
    assert digest_of_module(nn.BatchNorm1d(2)) != digest_of_module(nn.BatchNorm1d(3))


# Precision


def test_halves_hold_what_fits_and_widen_where_something_does_not(tmp_path):
    values = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32) * 100
    kept = Halves(tmp_path / "a.npy", (6, 5))
    kept[[0, 1, 2]] = values[:3]
    assert kept.array.dtype == np.float16
    kept[3:5] = values[3:5] * 1e4
    kept[5] = values[5]
    kept.flush()
    held = Arrays(tmp_path)["a"]
    assert held.dtype == np.float32
    assert np.allclose(held[:3], values[:3], rtol=2**-11)
    assert np.array_equal(held[3:5], values[3:5] * 1e4)
    assert not list(tmp_path.glob("wide-*"))


def test_what_losses_compare_is_kept_whole(tmp_path):
    run_toy(tmp_path, stages=["compose"])
    kinds = {}
    for kept in list_entries(tmp_path / "cache"):
        if kept.kind != "corpus":
            kinds |= {f.stem: np.load(f, mmap_mode="r").dtype for f in kept.path.glob("*.npy")}
    assert kinds["summary"] == kinds["targets"] == np.float32
    assert kinds["features"] == kinds["maps0"] == np.float16


# Bounds


def test_entries_are_told_with_size_age_and_users(tmp_path):
    fill(tmp_path, "corpus-toy-abc", 9000, days=3, run=tmp_path / "run")
    fill(tmp_path, "speech-def", 100)
    speech, corpus = list_entries(tmp_path)
    assert (corpus.kind, corpus.what, corpus.runs) == ("corpus", "toy", (str(tmp_path / "run"),))
    assert corpus.size >= 9000
    assert 2.9 * DAY < time.time() - corpus.used < 3.1 * DAY
    assert speech.runs == ()
    assert not corpus.in_use


def test_the_longest_unused_go_first_and_what_is_held_stays(tmp_path):
    for days in (1, 5, 9, 20):
        fill(tmp_path, f"speech-{days}", 8192, days=days)
    found = list_entries(tmp_path)
    size = found[0].size

    def names(held=(), **limits):
        marked = [e.__class__(**{**vars(e), "in_use": e.path.name in held}) for e in found]
        limits = {"max_size": None, "older_than": None, **limits}
        return [e.path.name for e in choose(marked, now=time.time(), **limits)]

    assert names(max_size=2 * size) == ["speech-20", "speech-9"]
    assert names(max_size=0, held=("speech-20",)) == ["speech-9", "speech-5", "speech-1"]
    assert names(older_than=7 * DAY) == ["speech-20", "speech-9"]
    assert names(older_than=15 * DAY, max_size=2 * size) == ["speech-20", "speech-9"]
    assert names(max_size=10**9) == []


def test_what_another_process_reads_or_makes_is_never_removed(tmp_path):
    folder = fill(tmp_path, "speech-a", days=9)
    making = fill(tmp_path, "faces-identity-b", days=9)
    with held_by_another(hold_entry, folder) as let_go:
        with locked(lock_of(making), wait=False) as held:
            assert held
            assert [e.in_use for e in list_entries(tmp_path)] == [True, True]
            assert prune(tmp_path, max_size=0) == []
        let_go()
    assert {e.path for e in prune(tmp_path, max_size=0, dry=True)} == {folder, making}
    assert folder.is_dir()
    assert len(prune(tmp_path, max_size=0)) == 2
    assert list_entries(tmp_path) == []
    assert not (tmp_path / ".uses" / "speech-a").exists()


def test_a_finished_run_holds_nothing_and_a_pruned_cache_is_made_again(home):
    before = entries(home)
    assert len(prune(home / "cache", max_size=0)) == len(before)
    run_toy(home, "stages.distill.steps=7", stages=["distill"])
    assert entries(home) == before


def test_several_processes_make_an_entry_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    args = (str(tmp_path / "speech-x"), str(tmp_path / "log"))
    together = [context.Process(target=make_slowly, args=args) for _ in range(3)]
    for process in together:
        process.start()
    for process in together:
        process.join()
    assert [p.exitcode for p in together] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "made\n"
    assert list_entries(tmp_path)[0].what == "it"


# The command


def test_the_command_shows_and_prunes(tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    fill(tmp_path / "c", "speech-old", 5000, days=40, run=tmp_path / "gone")
    fill(tmp_path / "c", "faces-emotion-new", 5000, run=run)
    shown = call(capsys, "cache", "--cache", tmp_path / "c")
    assert shown.code == 0
    assert "speech-old" in shown.out
    assert "6 w ago" in shown.out
    assert f"{tmp_path / 'gone'} (gone)" in shown.out
    assert "2 in" in shown.out
    data = json.loads(call(capsys, "cache", "--cache", tmp_path / "c", "--json").out)
    assert [entry["kind"] for entry in data] == ["faces", "speech"]
    assert set(data[0]) == {"path", "kind", "what", "bytes", "created", "used", "runs", "in_use"}
    dry = call(capsys, "cache", "--cache", tmp_path / "c", "prune", "--older-than", "30d", "--dry-run")
    assert "would be removed: 1" in dry.out
    assert (tmp_path / "c" / "speech-old").is_dir()
    wet = call(capsys, "cache", "--cache", tmp_path / "c", "prune", "--older-than", "30d")
    assert "removed: 1" in wet.out
    assert not (tmp_path / "c" / "speech-old").exists()
    assert (tmp_path / "c" / "faces-emotion-new").is_dir()


def test_what_a_recipe_will_cache_is_shown_with_sizes(capsys):
    """The synthetic corpus of `tiny`: 36 clips of about 60 frames of 32 x 32."""
    planned = json.loads(call(capsys, "cache", "--recipe", "tiny", "--json").out)
    assert {part["way"] for part in planned} == {"cached"}
    sizes = {part["what"]: part["bytes"] for part in planned}
    assert sizes["corpus of 36 clips"] == 36 * 60 * (32 * 32 * 3 + 2700)
    assert {"speech", "emotion targets", "identity targets", "identity maps"} <= set(sizes)
    live = call(capsys, "show", "tiny", "--cache", "--set", "compute.frozen_features=live")
    assert live.code == 0
    [speech] = [line for line in live.out.splitlines() if line.startswith("speech")]
    assert "computed live in each step" in speech
    assert size_text(sizes["speech"]) in speech
    assert f"about {size_text(sizes['corpus of 36 clips'])} in runs/.cache" in live.out
    several = call(capsys, "show", "table1", "--cache")
    assert several.code == 2
    assert "--cache is of one recipe" in several.err


def test_the_commands_errors_say_what_to_do(tmp_path, capsys):
    absent = call(capsys, "cache", "--cache", tmp_path / "no")
    assert absent.code == 4
    assert "no such cache folder" in absent.err
    (tmp_path / "c").mkdir()
    assert "is empty" in call(capsys, "cache", "--cache", tmp_path / "c").out
    for args, said in [
        (("prune",), "give what to remove"),
        (("prune", "--max-size", "much"), "'much' is not a size"),
        (("prune", "--older-than", "3 moons"), "not a time span"),
    ]:
        called = call(capsys, "cache", "--cache", tmp_path / "c", *args)
        assert called.code == 2
        assert said in called.err


def test_sizes_and_spans_are_read_and_written():
    assert [parse_size(t) for t in ("500M", "1.5G", "20gb", "7", None)] == [
        500_000_000,
        1_500_000_000,
        20_000_000_000,
        7,
        None,
    ]
    assert [parse_span(t) for t in ("90min", "12h", "2w")] == [5400, 43200, 14 * DAY]
    assert [size_text(s) for s in (0, 999, 1500, 2.5e9, 3e12)] == ["0 B", "999 B", "1.5 kB", "2.5 GB", "3 TB"]
    assert [span_text(s) for s in (5, 90, 7200, 3 * DAY)] == ["just now", "1 min ago", "2 h ago", "3 d ago"]
