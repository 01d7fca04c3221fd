"""What differs between systems, users and terminals."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers_cli import call

from s2vkit.cli.terminal import expand_homes
from s2vkit.data.cache_entries import cached, holding, list_entries
from s2vkit.errors import InputError, RunFolderError
from s2vkit.files import (
    NotWritableError,
    check_writable,
    expand_home,
    locked,
    replacing,
    write_json,
    write_text,
)
from s2vkit.recipe.load import load_recipe
from s2vkit.runs.folder import about
from s2vkit.tensors import read_tensors, write_tensors

POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX alone")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@POSIX
@pytest.mark.parametrize(("umask", "wanted"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_files_have_the_mode_that_the_umask_asks_for(tmp_path, umask, wanted):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "a.safetensors") as part:
            write_tensors({"a": torch.zeros(2)}, part)
        write_tensors({"a": torch.zeros(2)}, tmp_path / "b.safetensors")
        write_text(tmp_path / "c.txt", "c")
        with replacing(tmp_path / "d.txt") as part:
            part.write_text("d")
            part.chmod(0o600)
    finally:
        os.umask(before)
    assert {mode(path) for path in tmp_path.iterdir()} == {wanted}
    assert len(list(tmp_path.iterdir())) == 4


def deny(monkeypatch: pytest.MonkeyPatch, folder: Path, code: int = errno.EACCES) -> None:
    """Let nothing be created or written below a folder, as if it were another user's."""
    opened = os.open

    def denied(path, flags, *more, **words):
        if folder in Path(path).parents and flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            raise OSError(code, os.strerror(code), str(path))
        return opened(path, flags, *more, **words)

    monkeypatch.setattr(os, "open", denied)


def test_another_users_weights_are_not_to_be_deleted(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(RunFolderError, match="ask its owner") as caught:
        read_tensors(path, hint="delete it")
    assert "delete" not in str(caught.value)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_another_users_cache_is_read(tmp_path, monkeypatch, code):
    import numpy as np

    entry = tmp_path / "speech-a"
    cached(entry, lambda part: np.save(part / "a.npy", np.ones(3)))
    deny(monkeypatch, tmp_path, code)
    monkeypatch.setattr(Path, "write_text", lambda *_: (_ for _ in ()).throw(PermissionError()))
    with holding(entry, tmp_path / "run"):
        assert cached(entry, None).folder == entry
    with pytest.raises(NotWritableError, match="cannot be written") as caught:
        cached(tmp_path / "speech-b", None)
    assert "name a folder of your own" in str(caught.value)


@pytest.mark.parametrize("note", ['{"rn": "x"}', "[]", "", None])
def test_damaged_notes_of_a_caches_uses_are_passed_over(tmp_path, note):
    entry = tmp_path / "speech-a"
    cached(entry, lambda part: (part / "a.txt").write_text("a"))
    with holding(entry, tmp_path / "run"):
        (used,) = (path for path in tmp_path.rglob("*.json") if path.name != "about.json")
    if note is None:
        used.unlink()
        used.symlink_to("nowhere")
    else:
        used.write_text(note)
    (found,) = list_entries(tmp_path)
    assert (found.path, found.runs) == (entry, ())


@POSIX
def test_a_lock_of_another_user_holds_too(tmp_path, monkeypatch):
    with locked(tmp_path / "a.lock", wait=False) as mine:
        assert mine
        deny(monkeypatch, tmp_path)
        with locked(tmp_path / "a.lock", wait=False) as theirs:
            assert not theirs


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_place_that_cannot_be_written_is_named_before_any_work(tmp_path, capsys):
    for path in (Path("/proc/x.mp4"), Path("/proc/deep/x.mp4")):
        with pytest.raises(InputError, match=f"{path}: cannot be written"):
            check_writable(path)
    (tmp_path / "file").touch()
    (tmp_path / "a.wav").touch()
    for path in (tmp_path / "file" / "x.mp4", Path("/proc/x.mp4")):
        found = call(capsys, "generate", tmp_path, tmp_path / "a.wav", "-o", path)
        assert found.code == 4
        assert f"{path}: cannot be written" in found.err
    check_writable(tmp_path / "deep" / "er" / "x.mp4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.wav", "file"]
    with pytest.raises(InputError, match=r"/proc/x\.mp4: cannot be written"):
        write_text(Path("/proc/x.mp4"), "")


def test_home_folders_are_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "r.yaml").write_text("extends: ~/base.yaml\ncache: ~/c\n")
    (tmp_path / "base.yaml").write_text(f"extends: {Path(__file__).parent.parent}/recipes/tiny.yaml\n")
    loaded = load_recipe(tmp_path / "r.yaml", ["output=~/run"])
    assert loaded.recipe.output == str(tmp_path / "run")
    assert loaded.recipe.cache == str(tmp_path / "c")
    assert expand_homes(["~/a", "--output=~/b", "--set", "x=~y", "a~b"]) == [
        str(tmp_path / "a"),
        f"--output={tmp_path}/b",
        "--set",
        "x=~y",
        "a~b",
    ]
    assert expand_home("~nobody-of-that-name/x") == "~nobody-of-that-name/x"


STREAMS = [{"PYTHONIOENCODING": name, "PYTHONUTF8": "0"} for name in ("cp1252", "ascii", "utf-16")]


@pytest.mark.parametrize("env", STREAMS, ids=lambda env: env["PYTHONIOENCODING"])
def test_any_encoding_of_stdout_will_do(env):
    done = subprocess.run(
        [sys.executable, "-c", _PRINT], env={**os.environ, **env, "COLUMNS": "20"}, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert b"UnicodeEncodeError" not in done.stderr


_PRINT = """
from s2vkit.cli.terminal import open_streams
open_streams()
import sys
from rich.console import Console
from rich.table import Table
table = Table(title="\\u2713 \\u4e2d")
table.add_column("\\u00fc")
table.add_row("\\u2713" * 30)
Console().print(table)
print("\\u2713 \\u4e2d", file=sys.stderr)
"""


@POSIX
def test_closed_streams_and_readers_that_leave_end_nothing(tmp_path):
    s2vkit = f"{sys.executable} -m s2vkit"
    for command, code in ((f"{s2vkit} list-components >&- 2>&-", 0), (f"{s2vkit} schema | head -c 10", 0)):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (code, "")


def test_the_package_can_be_run():
    done = subprocess.run([sys.executable, "-m", "s2vkit", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[0]) == (0, "s2vkit")


_WRITE = """
import sys
import time
import numpy as np
import click
from s2vkit.cli import guard, terminal
from s2vkit.media import VideoWriter

@click.command()
@click.argument("path")
def write(path):
    with VideoWriter(path, (64, 64), 25) as writer:
        writer.write(np.zeros((90, 64, 64, 3), np.uint8))  # more than the encoder keeps back
        print("writing", flush=True)
        time.sleep(60)

terminal.end_on_signals()
sys.exit(guard.guard(write, sys.argv[1:]))
"""


@POSIX
def test_term_leaves_no_part_behind(tmp_path):
    command = [sys.executable, "-c", _WRITE, str(tmp_path / "a.mp4")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        there = list(tmp_path.iterdir())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
        assert "interrupted" in process.stderr.read()
        assert len(there) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_moved_run_goes_on_where_it_is(tmp_path, capsys, monkeypatch):
    outputs = []
    monkeypatch.setattr(
        "s2vkit.engine.run.run_recipe", lambda loaded, **_: outputs.append(Path(loaded.recipe.output))
    )
    moved, tiny = tmp_path / "moved", Path(__file__).parent.parent / "recipes" / "tiny.yaml"
    write_json(moved / "run.json", about())
    (moved / "recipe.yaml").write_text(f"extends: {tiny}\noutput: {tmp_path}/old\n")
    (tmp_path / "recipe.yaml").write_text((moved / "recipe.yaml").read_text())
    found = call(capsys, "run", moved / "recipe.yaml")
    assert f"this run was at {tmp_path}/old; it goes on in {moved}" in found.err
    for args in (
        (moved, "--output", tmp_path / "new"),
        (moved, "--set", f"output={tmp_path}/set"),
        (tmp_path,),
    ):
        assert call(capsys, "run", args[0] / "recipe.yaml", *args[1:]).err == ""
    assert outputs == [moved, tmp_path / "new", tmp_path / "set", tmp_path / "old"]


@POSIX
def test_what_a_killed_process_was_writing_goes_with_the_next_command(tmp_path):
    code = "import os, sys; from s2vkit.files import replacing\nwith replacing(sys.argv[1]) as part:\n"
    code += " part.write_text('half'); os.kill(os.getpid(), 9)"
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "killed.mp4")], check=False)
    assert killed.returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    machine, process, rest = left.name.split("-")
    others = [f"{machine}-{os.getppid()}-{rest}", f".{'0' * 8}-{process}-{rest}", f".{process}.part.mp4"]
    for name in others:  # one that runs, one of another machine, and one that is none
        (tmp_path / name).touch()
    write_text(tmp_path / "next.txt", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"next.txt", *others}
