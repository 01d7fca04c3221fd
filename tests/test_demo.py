"""The model that comes with the package: whole, as good as it says, and drawing at once."""

from __future__ import annotations

import hashlib
import json
import re
import wave

import av
import numpy as np
import pytest
from helpers_cli import call
from helpers_toy import ROOT
from PIL import Image
from safetensors import safe_open

from s2vkit.inference.demo import MODEL, SIZE, nearest
from s2vkit.inference.model import load_model
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe

MOST = 8_500_000  # bytes of the bundle


@pytest.fixture(scope="module")
def model():
    return load_model(MODEL, device="cpu")


def test_the_bundle_is_whole_small_and_in_half_precision():
    sums = dict(line.split("  ")[::-1] for line in (MODEL / "SHA256SUMS").read_text().splitlines())
    assert {path.name for path in MODEL.iterdir()} == {*sums, "SHA256SUMS"}
    assert {name: hashlib.sha256((MODEL / name).read_bytes()).hexdigest() for name in sums} == sums
    assert sum(path.stat().st_size for path in MODEL.iterdir()) < MOST
    with safe_open(MODEL / "model.safetensors", "pt") as file:
        kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert "F16" in kinds
    assert "F32" not in kinds


def test_its_figures_are_those_of_a_model_worth_showing():
    metrics = json.loads((MODEL / "metrics.json").read_text())
    for name, least in {
        "identity_accuracy": 0.95,
        "emotion_accuracy": 0.95,
        "psnr": 26.0,
        "ssim": 0.85,
    }.items():
        assert metrics[name]["value"] >= least
        assert f"| {name} | {metrics[name]['value']:.3f} |" in (MODEL / "README.md").read_text()
    assert metrics["mouth_aperture_correlation"]["value"] >= 0.8


def test_the_recipe_beside_it_makes_such_a_model(model):
    recipe = load_recipe(MODEL / "recipe.yaml", (), registry()).recipe
    assert recipe.data.use == "synthetic"
    assert recipe.data.options.size == model.size
    assert recipe.data.options.speakers == len(model.voices)


def test_it_draws_the_face_of_a_held_out_sentence_with_lips_in_time(model, tmp_path):
    recipe = load_recipe(MODEL / "recipe.yaml", (), registry()).recipe
    corpus = registry().get("dataset", "synthetic").load()(recipe.data.options, seed=recipe.seed)
    wanted = {"identity": "1003", "emotion": "anger"}
    held_out = [clip.split == "test" and wanted.items() <= clip.labels.items() for clip in corpus.clips()]
    clip = corpus.load(held_out.index(True))
    made = model.generate(clip.speech, corpus.sample_rate).frames
    assert made.shape == clip.frames.shape
    assert _psnr(made, clip.frames) > 25
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setparams((1, 2, corpus.sample_rate, 0, "NONE", ""))
        file.writeframes((clip.speech * 32767).astype("<i2").tobytes())
    assert nearest(model, tmp_path / "speech.wav") == wanted
    lips = made[:, 44:56, 22:42].astype(float).mean((2, 3))  # how light the rows of the mouth are
    truth = clip.truth["mouth_aperture"]
    assert max(abs(np.corrcoef(row, truth)[0, 1]) for row in lips.T) > 0.6


def _psnr(made, real):
    return 10 * np.log10(255**2 / np.square(made.astype(float) - real).mean())


def test_the_command_draws_without_a_question(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    called = call(capsys, "demo")
    assert called.code == 0, called.err
    assert re.search(r"wrote demo\.mp4: \d+ frames; person 1001, neutral", called.out)
    with av.open(tmp_path / "demo.mp4") as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert frames[0].shape == (SIZE, SIZE, 3)
    assert len(frames) > 25
    assert np.stack(frames).astype(float).std(0).max() > 10  # it moves
    with av.open(tmp_path / "demo.mp4") as video:
        assert video.streams.audio
    again = call(capsys, "demo", MODEL / "sample.mp4", "--emotion", "joy")
    assert again.code != 0
    assert "--force" in again.err
    asked = call(capsys, "demo", MODEL / "sample.mp4", "--emotion", "joy", "--force")
    assert "knows no emotion 'joy'" in asked.err


def test_the_readme_shows_it_first():
    text = (ROOT / "README.md").read_text()
    picture = ROOT / "docs" / "images" / "demo.webp"
    assert text.index("docs/images/demo.webp") < text.index("s2vkit demo") < text.index("s2vkit run")
    assert picture.stat().st_size < 1_000_000
    with Image.open(picture) as image:
        assert image.is_animated
