"""`s2vkit verify`: signed, altered, marked or unknown, for files of anybody."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from helpers_cli import call
from PIL import Image
from test_marking import without_c2pa  # noqa: F401
from test_watermark import MARK, scene

from s2vkit.marking import credentials
from s2vkit.marking.manifest import Maker
from s2vkit.marking.marker import Marker
from s2vkit.marking.signing import FileSigner
from s2vkit.media.video import VideoWriter

MODEL = "a5c3" + 60 * "0"


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Write one video in every state."""
    folder = tmp_path_factory.mktemp("verify")
    found = {name: folder / f"{name}.mp4" for name in ("signed", "altered", "marked", "unknown", "cut")}
    marker = Marker(Maker("0.1.0", MODEL), MARK, FileSigner(credentials.local_credentials()))
    for name, marking in (("signed", marker), ("unknown", None)):
        with VideoWriter(found[name], (64, 64), 25, marking=marking) as video:
            video.write(scene(64))
    data = bytearray(found["signed"].read_bytes())
    data[-1000] ^= 1
    found["altered"].write_bytes(data)
    found["cut"].write_bytes(data[: len(data) // 2])
    remux(found["signed"], found["marked"])
    return found


def remux(source: Path, target: Path) -> None:
    """Copy the stream into a new file, as an upload does."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("signed", 0, ["made by a trained model", "trusted", "bits 0xa5c3"]),
        ("marked", 10, ["watermark spread_spectrum, bits 0xa5c3"]),
        ("unknown", 11, ["neither a signature nor a watermark"]),
        ("altered", 12, ["assertion.bmffHash.mismatch", "bits 0xa5c3"]),
    ],
)
def test_each_state_has_its_words_and_code(capsys, files, name, code, says):
    called = call(capsys, "verify", files[name])
    assert called.code == code
    assert called.out.startswith(f"{files[name]}: {name}\n")
    assert all(words in called.out for words in says), called.out


def test_the_gravest_of_several_files_counts_and_json_lists_all(capsys, files):
    called = call(capsys, "verify", "--json", files["signed"], files["marked"], files["unknown"])
    assert called.code == 11
    first, second, third = json.loads(called.out)
    assert (first["state"], first["signature"]["trusted"]) == ("signed", True)
    assert (second["state"], second["signature"], second["watermark"]["payload"]) == ("marked", None, 0xA5C3)
    assert second["watermark"]["false_positives"] < 1e-6
    assert (third["state"], third["watermark"]) == ("unknown", None)


def test_a_missing_file_is_an_error_and_the_others_are_read(capsys, files, tmp_path):
    called = call(capsys, "verify", tmp_path / "none.mp4", files["marked"], tmp_path)
    assert called.code == 4
    assert f"{tmp_path / 'none.mp4'}: no such file" in called.err
    assert f"{tmp_path}: is a folder" in called.err
    assert "marked.mp4: marked" in called.out


def test_anything_may_be_given(capsys, files, tmp_path):
    (tmp_path / "note.txt").write_text("a note")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(4000))
    Image.new("RGB", (40, 40)).save(tmp_path / "picture.png")
    paths = sorted(tmp_path.iterdir())
    called = call(capsys, "verify", *paths)
    assert called.code == 11
    assert called.out.count(": unknown\n") == len(paths)
    assert call(capsys, "verify", files["cut"]).code in (11, 12)


def test_the_name_of_a_file_does_not_matter(capsys, files, tmp_path):
    shutil.copy(files["signed"], tmp_path / "renamed.bin")
    assert call(capsys, "verify", tmp_path / "renamed.bin").code == 0


def test_a_foreign_signer_is_not_trusted_unless_asked(capsys, files, monkeypatch, tmp_path):
    root = credentials.folder() / "root.pem"
    monkeypatch.setenv("S2VKIT_CONFIG", str(tmp_path))
    assert "a signer that is not known here" in call(capsys, "verify", files["signed"]).out
    assert "(trusted)" in call(capsys, "verify", files["signed"], "--trust", root).out
    called = call(capsys, "verify", files["signed"], "--trust", files["signed"])
    assert called.code == 4
    assert "holds no certificate" in called.err


def test_without_the_package_the_watermark_is_read(capsys, files, without_c2pa):  # noqa: F811
    called = call(capsys, "verify", files["signed"])
    assert called.code == 10
    assert "signatures are not read" in called.err
    assert "s2vkit[mark]" in called.err


def test_a_mark_that_begins_later_is_found_with_its_time(capsys, tmp_path):
    plain = scene(64)
    frames = np.concatenate([plain, plain[::-1], plain, MARK.embed(scene(64), 0, 25, 7), plain[:20]])
    with VideoWriter(tmp_path / "a.mp4", (64, 64), 25) as video:
        video.write(frames)
    (found,) = json.loads(call(capsys, "verify", "--json", tmp_path / "a.mp4").out)
    assert found["watermark"]["payload"] == 7
    start, end = found["watermark"]["seconds"]
    assert start < 7.5
    assert end > 6.5
    (short,) = json.loads(call(capsys, "verify", "--json", "--seconds", "4", tmp_path / "a.mp4").out)
    assert short["state"] == "unknown"
