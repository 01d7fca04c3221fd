"""What goes wrong with folders, disks and files: one clear message, nothing half-written."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest
import torch
from helpers_kill import PHASES
from helpers_toy import REGISTRY, results, run_toy
from safetensors.torch import load_file, save_file
from test_generate import recording

from s2vkit.engine.checkpoint import load_state, save_state, step_of, take_sound
from s2vkit.engine.view import View
from s2vkit.errors import InputError, ResourceError, RunFolderError
from s2vkit.files import disk_is_full, locked, naming_full_disk, read_json, write_json
from s2vkit.inference.generate import generate
from s2vkit.runs.folder import check_disk_space, taken

DAMAGED = (RunFolderError, InputError)


pytestmark = pytest.mark.usefixtures("no_curves")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, no_curves):
    """A finished run, never to be touched."""
    folder = tmp_path_factory.mktemp("whole")
    run_toy(folder)
    return folder


@pytest.fixture
def home(whole, tmp_path):
    """A copy of a finished run and its cache, to be damaged."""
    for name in ("run", "cache"):
        shutil.copytree(whole / name, tmp_path / name)
    return tmp_path


# The run folder


def test_an_output_that_is_a_file_is_told(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(RunFolderError, match=r"run: is a file, not a run folder"):
        run_toy(tmp_path)
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("name", ["thesis.tex", "run.json"])
def test_a_folder_of_other_things_is_left_alone(tmp_path, name, fresh):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text('{"mine": true}')
    with pytest.raises(RunFolderError, match=r"contains files that are not a run of s2vkit"):
        run_toy(tmp_path, fresh=fresh)
    assert [p.name for p in (tmp_path / "run").iterdir()] == [name]
    assert (tmp_path / "run" / name).read_text() == '{"mine": true}'


def test_an_empty_folder_or_what_a_kill_at_the_start_left_is_taken(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    (tmp_path / "run" / ".0123.part.json").write_text('{"form')
    run_toy(tmp_path, stages=["train_teachers"])
    assert not (tmp_path / "run" / ".0123.part.json").exists()


def test_a_run_of_another_version_is_told_and_left(home):
    path = home / "run" / "run.json"
    write_json(path, {**read_json(path), "format": 0})
    with pytest.raises(RunFolderError, match=r"another version of s2vkit \(format 0, .* reads 2\)"):
        run_toy(home)
    assert read_json(path)["format"] == 0
    run_toy(home, fresh=True, stages=["train_teachers"])
    assert read_json(path)["format"] == 2
    assert not (home / "run" / "metrics.json").exists()


def test_a_run_in_use_is_told(tmp_path):
    with (
        taken(tmp_path / "run", fresh=False),
        pytest.raises(RunFolderError, match="in use by another s2vkit run") as caught,
    ):
        run_toy(tmp_path)
    assert caught.value.exit_code == 5
    run_toy(tmp_path, stages=["train_teachers"])


def test_runs_that_share_a_cache_do_not_clear_each_others_work(tmp_path):
    cache = tmp_path / "cache"
    for name in ("speech-1", "speech-2"):
        (cache / f".{name}.part").mkdir(parents=True)
    with locked(cache / ".speech-1.lock", wait=False):
        # flock is held by the open file: another process is not needed to see it held
        run_toy(tmp_path, stages=["train_teachers"])
        assert (cache / ".speech-1.part").exists()
    assert not (cache / ".speech-2.part").exists()


# Damaged files


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def one(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("run/stages/distill/weights.safetensors", "weights.safetensors: cannot be read"),
        ("cache/corpus-*/index.json", "not a prepared corpus"),
        ("cache/corpus-*/frames.npy", "delete the folder"),
    ],
)
def test_damaged_files_of_a_finished_run_are_told(home, pattern, said):
    path = one(home, pattern)
    cut(path)
    with pytest.raises(DAMAGED) as caught:
        run_toy(home, "stages.compose.steps=5")
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.hint
    shutil.rmtree(path.parent)  # as the hint says
    run_toy(home, "stages.compose.steps=5", stages=["evaluate"])


@pytest.mark.parametrize("name", ["speech-*/features.npy", "faces-maps-*/maps1.npy"])
def test_damaged_caches_are_told(home, name):
    path = one(home / "cache", name)
    cut(path)
    with pytest.raises(InputError) as caught:
        run_toy(home, "stages.compose.steps=5")
    assert f"{path}: cannot be read" in str(caught.value)
    assert f"delete the folder {path.parent}" in str(caught.value)


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("how", ["cut", "emptied", "other"])
def test_damaged_checkpoints_are_told(home, name, how):
    stage = home / "run" / "stages" / "compose"
    path = stage / "checkpoint" / name
    if how == "cut":
        cut(path)
    elif how == "emptied":
        path.write_bytes(b"")
    elif name == "state.json":
        write_json(path, {"step": 2})
    else:
        held = load_file(path)
        save_file({**held, "module/generator/x": torch.ones(1)}, path)
    (stage / "done.json").unlink()
    with pytest.raises(RunFolderError) as caught:
        run_toy(home)
    assert str(stage / "checkpoint") in str(caught.value)
    assert "move it away, and the same command trains its stage again" in str(caught.value)
    shutil.rmtree(stage / "checkpoint")
    before = (stage / "weights.safetensors").read_bytes()
    run_toy(home)
    assert (stage / "weights.safetensors").read_bytes() == before


def moved() -> tuple[dict, dict]:
    layer = torch.nn.Linear(8, 8)
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
    layer(torch.ones(1, 8)).sum().backward()
    optimizer.step()
    return {"layer": layer}, {"layer": optimizer}


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-9] ^= 1  # within a weight, a learning rate's digit or a digest
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "sha256.json"])
def test_of_a_damaged_checkpoint_the_one_before_is_taken(tmp_path, name):
    checkpoint = tmp_path / "checkpoint"
    for step in (3, 4):
        save_state(checkpoint, step, *moved())
    assert (step_of(checkpoint), take_sound(checkpoint)) == (4, "")
    flip_a_bit(checkpoint / name)
    with pytest.raises(RunFolderError, match="damaged"):
        load_state(checkpoint, *moved())
    assert step_of(checkpoint) == 3
    warning = take_sound(checkpoint)
    assert str(checkpoint) in warning
    assert "damaged" in warning
    assert warning.endswith("the checkpoint before is taken, of step 3")
    assert load_state(checkpoint, *moved()) == 3
    flip_a_bit(checkpoint / name)  # and there is none before that
    with pytest.raises(RunFolderError, match="damaged") as caught:
        take_sound(checkpoint)
    assert "move it away" in str(caught.value)


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one_to_the_same_bits(home):
    stage = home / "run" / "stages" / "compose"
    before = results(home)
    shutil.rmtree(stage)
    printed = run_toy(home, "checkpoint_seconds=0.000001", stages=["compose"])
    assert "damaged" not in printed
    flip_a_bit(stage / "checkpoint" / "tensors.safetensors")
    (stage / "done.json").unlink()
    printed = " ".join(run_toy(home, quiet=False).split())
    assert "! " in printed
    assert "SHA-256 differs); the checkpoint before is taken, of step 3" in printed
    assert "goes on from step 3" in printed
    assert results(home) == before


def test_a_model_that_was_deleted_is_written_again(home):
    before = results(home)
    shutil.rmtree(home / "run" / "model")
    run_toy(home)
    assert results(home) == before


# A full disk


def test_every_way_a_full_disk_shows_is_known(tmp_path):
    full = [
        OSError(28, "No space left on device"),
        OSError("100 requested and 20 written"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ]
    assert all(disk_is_full(error) for error in full)
    assert not any(disk_is_full(e) for e in (OSError(2, "No such file"), ValueError("100 written")))
    with pytest.raises(ResourceError, match=f"{tmp_path}: no space left"), naming_full_disk(tmp_path):
        raise full[1]
    with pytest.raises(ValueError, match="other"), naming_full_disk(tmp_path):
        raise ValueError("other")


def test_too_little_room_is_told_before_a_corpus_is_made(tmp_path):
    with pytest.raises(ResourceError, match=r"too little space on the disk for the corpus"):
        check_disk_space(tmp_path, 10**18, "the corpus")


@contextmanager
def small_disk(path, size):
    """Mount a disk of its own; skips where this process may not."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if os.name != "posix" or not shutil.which("mount"):
        pytest.skip("no mount here")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this process may not mount a small disk")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(disk, left):
    """Fill a disk up to some bytes."""
    free = shutil.disk_usage(disk).free
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(max(0, free - left)))


@pytest.mark.parametrize(
    "where",
    [
        "corpus",
        "speech features",
        "identity vectors of every clip",
        "train_teachers",
        "compose",
        "evaluate",
        "pictures",
    ],
)
def test_a_disk_that_fills_up_stops_the_run_and_room_lets_it_go_on(whole, tmp_path, monkeypatch, where):
    assert any(phase.startswith(where) for phase in PHASES)
    with small_disk(tmp_path / "disk", "60m") as disk:
        begin = View.begin

        def begun(self, title):
            begin(self, title)
            if title.startswith(where):
                fill(disk, 30_000 if where != "evaluate" else 0)

        monkeypatch.setattr(View, "begin", begun)
        monkeypatch.setattr("s2vkit.runs.cache.check_disk_space", lambda *args: None)
        with pytest.raises(ResourceError) as caught:
            run_toy(disk, "checkpoint_seconds=0.001")
        assert caught.value.exit_code == 6
        assert f"{disk}/" in caught.value.message
        assert "no space left on the disk" in caught.value.message
        assert "the same command continues" in caught.value.hint
        assert [p for p in disk.rglob("*.part*") if not p.name.endswith(".parts")] == []
        (disk / "ballast").unlink()
        monkeypatch.setattr(View, "begin", begin)
        run_toy(disk, "checkpoint_seconds=0.001")
        assert results(disk) == results(whole)


def test_a_full_disk_leaves_no_half_video(whole, tmp_path):
    speech = recording(tmp_path / "a.wav", 20.0)
    with small_disk(tmp_path / "disk", "60k") as disk:
        with pytest.raises(ResourceError, match="no space left on the disk") as caught:
            generate(whole / "run", speech, disk / "a.mp4", registry=REGISTRY)
        assert str(disk) in caught.value.message
        assert list(disk.iterdir()) == []
