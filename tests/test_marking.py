"""Marks on by default: what generate and run write is watermarked and signed, or says that it is not."""

from __future__ import annotations

import builtins
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_cli import call
from helpers_toy import REGISTRY, load_toy
from test_generate import recording

import s2vkit
from s2vkit.build import Builder
from s2vkit.engine.memory import Peak
from s2vkit.errors import InputError, ResourceError
from s2vkit.files import read_json, read_lines, sha256_of, write_json
from s2vkit.inference.generate import generate
from s2vkit.inference.marking import marker_of
from s2vkit.marking import credentials
from s2vkit.marking.manifest import AI_MADE, manifest
from s2vkit.marking.signing import read_signature
from s2vkit.media.frames import read_frames
from s2vkit.media.probe import probe


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder like a run's, with the model of an untrained graph."""
    folder = tmp_path_factory.mktemp("marking") / "run"
    builder = Builder(load_toy(folder.parent).recipe, REGISTRY)
    builder.save_bundle(folder / "model", builder.graph())
    write_json(folder / "run.json", {})
    (folder / "recipe.yaml").write_text("name: toy")
    return folder


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return recording(tmp_path_factory.mktemp("speech") / "a.wav", 2.0)


@pytest.fixture(scope="module")
def video(run, speech):
    return generate(run, speech, run.parent / "a.mp4", registry=REGISTRY)


def detect(path: Path, run: Path):
    frames, fps = read_frames(path)
    mark = marker_of(run, REGISTRY).watermark
    luma = frames @ np.array([0.299, 0.587, 0.114], np.float32)
    return mark.detect(luma, np.arange(len(frames)) / float(fps))


@pytest.fixture
def without_c2pa(monkeypatch):
    """Let c2pa-python be missing."""
    imported = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "c2pa":
            raise ImportError("no c2pa here")
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_generate_watermarks_with_the_models_own_bits(video, run):
    weights = sha256_of(run / "model" / "model.safetensors")
    assert detect(video.path, run).payload == int(weights[:4], 16)
    assert video.notes == []


def test_generate_signs_as_made_by_a_model(video, run):
    signature = read_signature(video.path, credentials.local_root())
    assert (signature.valid, signature.trusted, signature.ai_made) == (True, True, True)
    assert signature.issuer == "s2vkit, s2vkit local signer"
    assert not read_signature(video.path, b"").trusted
    assert probe(video.path)["seconds"] == pytest.approx(2, abs=0.1)


def test_signing_and_reading_a_long_video_hold_little_of_it_in_memory(video, run, tmp_path):
    long, more = tmp_path / "long.mp4", 32 << 20
    data = bytearray(video.path.read_bytes())
    pictures = data.rindex(b"mdat") - 4  # the last box, of which all samples are part
    data[pictures : pictures + 4] = (len(data) - pictures + more).to_bytes(4, "big")
    long.write_bytes(data + bytes(more))
    peak = Peak(torch.device("cpu"))
    if not peak.anew:
        pytest.skip("the peak of this system's processes cannot be reset")
    before = int(peak.read()["resident"])
    marker_of(run, REGISTRY).sign(long)
    assert read_signature(long, credentials.local_root()).trusted
    assert int(peak.read()["resident"]) - before < more / 4
    with long.open("r+b") as file:
        file.seek(-(more // 2), 2)
        file.write(b"x")
    assert "assertion.bmffHash.mismatch" in read_signature(long, b"").problems


def test_the_manifest_names_model_and_recipe(run):
    assertions = {a["label"]: a["data"] for a in manifest(marker_of(run, REGISTRY).maker)["assertions"]}
    assert assertions["org.s2vkit.model"] == {
        "model_sha256": sha256_of(run / "model" / "model.safetensors"),
        "recipe_sha256": sha256_of(run / "recipe.yaml"),
    }
    assert assertions["c2pa.actions"]["actions"][0]["digitalSourceType"] == AI_MADE


def test_no_mark_leaves_both_out_and_is_among_the_runs_warnings(capsys, run, speech, tmp_path):
    called = call(capsys, "generate", run, speech, "-o", tmp_path / "plain.mp4", "--no-mark")
    assert called.code == 0
    assert "note: videos are not marked as generated (--no-mark)" in called.err
    assert read_signature(tmp_path / "plain.mp4", b"") is None
    assert not detect(tmp_path / "plain.mp4", run).found
    warned = [note["text"] for note in read_lines(run / "warnings.jsonl")]
    assert "plain.mp4 was generated without marks (--no-mark)" in warned


def test_the_watermark_is_of_the_recipe_and_goes_with_the_model(run, tmp_path):
    config = read_json(run / "model" / "config.json")
    assert config["components"]["watermark"]["use"] == "spread_spectrum"
    assert "watermark" in config["plugins"]


def test_a_video_saved_from_python_is_marked_unless_asked_otherwise(run, tmp_path):
    model = s2vkit.load(run, device="cpu")
    video = model.generate(0.1 * np.random.default_rng(0).standard_normal(32000).astype("f4"), 16000)
    assert read_signature(video.save(tmp_path / "a.mp4"), credentials.local_root()).trusted
    assert detect(tmp_path / "a.mp4", run).found
    assert read_signature(video.save(tmp_path / "b.mp4", mark=False), b"") is None
    assert not detect(tmp_path / "b.mp4", run).found


def test_a_live_stream_carries_the_watermark(run):
    model = s2vkit.load(run, device="cpu")
    speech = 0.1 * np.random.default_rng(0).standard_normal(32000).astype("f4")
    marker, first, marked = model.marker(), 0, []
    for frames in model.chunks(speech, 16000):
        marked.append(marker.mark(frames, first, model.fps))
        first += len(frames)
    luma = np.concatenate(marked).mean(-1, dtype=np.float32)
    found = marker.watermark.detect(luma, np.arange(len(luma)) / model.fps)
    assert found.payload == marker.payload


def test_without_the_package_the_watermark_is_alone_and_that_is_said(without_c2pa, run, speech, tmp_path):
    made = generate(run, speech, tmp_path / "a.mp4", registry=REGISTRY)
    (note,) = made.notes
    assert "watermarked but not signed" in note
    assert "s2vkit[mark]" in note
    assert detect(made.path, run).found


def test_without_the_package_a_certificate_cannot_be_asked_for(without_c2pa, run, tmp_path):
    with pytest.raises(ResourceError, match=r"s2vkit\[mark\]"):
        marker_of(run, REGISTRY, sign_with=(tmp_path / "a", tmp_path / "b"))


def test_a_folder_that_cannot_be_written_costs_the_signature_alone(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("S2VKIT_CONFIG", str(tmp_path / "file" / "below"))
    marker = marker_of(run, REGISTRY)
    assert marker.signer is None
    assert "no certificate can be kept" in marker.notes[0]


def test_the_local_certificates_are_made_once_and_the_key_is_private(own_config):
    one, two = credentials.local_credentials(), credentials.local_credentials()
    assert one == two
    folder = credentials.folder()
    assert folder.parent == own_config
    assert stat.S_IMODE((folder / "leaf.key").stat().st_mode) == 0o600
    assert sorted(p.name for p in folder.iterdir()) == ["leaf.key", "leaf.pem", "root.pem"]
    assert [p.name for p in own_config.iterdir()] == ["signing"]


def test_own_certificates_sign(run, speech, monkeypatch, tmp_path):
    monkeypatch.setenv("S2VKIT_CONFIG", str(tmp_path))
    credentials.local_credentials()
    own = (credentials.folder() / "leaf.pem", credentials.folder() / "leaf.key")
    root = credentials.local_root()
    monkeypatch.undo()
    made = generate(run, speech, tmp_path / "a.mp4", sign_with=own, registry=REGISTRY)
    assert read_signature(made.path, root).trusted
    assert not read_signature(made.path, credentials.local_root()).trusted


def test_certificates_that_cannot_sign_are_refused(tmp_path):
    folder = credentials.folder()
    credentials.local_credentials()
    chain, key = folder / "leaf.pem", folder / "leaf.key"
    (tmp_path / "bad.pem").write_text("nothing")
    with pytest.raises(InputError, match="no such file"):
        credentials.read_credentials(chain, tmp_path / "missing")
    with pytest.raises(InputError, match="no certificate in PEM"):
        credentials.read_credentials(tmp_path / "bad.pem", key)
    with pytest.raises(InputError, match="no readable private key"):
        credentials.read_credentials(chain, tmp_path / "bad.pem")
    with pytest.raises(InputError, match="is not the key of"):
        credentials.read_credentials(folder / "root.pem", key)
