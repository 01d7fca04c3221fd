"""The baselines as recipes: both are trained, and what each of them sees."""

from __future__ import annotations

import wave
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers_batches import loader_of
from helpers_cli import call
from helpers_toy import REGISTRY, ROOT
from PIL import Image

from s2vkit import AudioWindows, Frames, ReferenceImages
from s2vkit.build import Builder
from s2vkit.data.store import ClipStore
from s2vkit.device import choose
from s2vkit.engine.conditioning import condition_clip
from s2vkit.engine.sources import Sources
from s2vkit.errors import InputError
from s2vkit.files import read_json
from s2vkit.inference.bundle import load_bundle
from s2vkit.inference.generate import generate
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.pixels import to_images
from s2vkit.media import read_frames
from s2vkit.recipe.load import load_recipe
from s2vkit.settings import Compute

SMALL = """
extends: {root}/recipes/{name}.yaml
output: {folder}/{name}
cache: {folder}/cache
data: {{use: toy, speakers: 2, size: 32, emotions: [neutral, anger], sentences: 4}}
generator: {{channels: 4, content: 16, identity: 8}}
discriminators:
  frame: {{channels: 4}}
  sequence: {{channels: 4, hidden: 8}}
  sync: {{channels: 4, joint: 8}}
evaluators: null
stages:
  train_evaluators: null
  compose: {{steps: 3, batch: 2, samples: 1}}
  evaluate:
    after: [compose]
    metrics:
      {{identity_accuracy: null, emotion_accuracy: null, mouth_aperture_correlation: null,
        mouth_movement: null}}
compute: {{workers: 0, threads: 1}}
"""
VOICE = """
audio_encoder: {width: 0.01, seconds: 2.8, fft: 128}
teachers: {identity: {width: 0.0625}}
"""
STEPS = "  train_teachers: {steps: 2, batch: 2}\n  voice: {steps: 2, batch: 2}\n"


def recipe(folder, name):
    text = SMALL.format(root=ROOT, folder=folder, name=name)
    if name == "s2f_sdfa":
        text = text.replace("\nevaluators: null", f"\nevaluators: null{VOICE}").replace(
            "  compose:", f"{STEPS}  compose:"
        )
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Both baselines, run."""
    import io

    from rich.console import Console

    from s2vkit.engine.run import run_recipe

    folder = tmp_path_factory.mktemp("baselines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("s2vkit.rendering.held_out.draw_curves", lambda *args: True)
        for name in ("sdfa", "s2f_sdfa"):
            loaded = load_recipe(recipe(folder, name), (), REGISTRY)
            run_recipe(loaded, console=Console(file=io.StringIO()), registry=REGISTRY)
    return folder


@pytest.fixture(scope="module")
def store(home):
    return ClipStore(next((home / "cache").glob("corpus-toy-*")))


def pipeline_of(home, name):
    bundle = load_bundle(home / name, REGISTRY)
    return InferencePipeline(bundle.graph, bundle.config.alignment, choose(Compute(threads=1)))


def clip_of(pipeline, speech, frames, image=None):
    return torch.cat(list(pipeline.generate(pipeline.condition(speech, frames, image))))


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "speech.wav"
    noise = np.random.default_rng(0).normal(0, 3000, 16000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(noise.tobytes())
    return path


@pytest.mark.parametrize("name", ["sdfa", "s2f_sdfa"])
def test_a_baseline_is_trained_and_measured_as_ours(home, name):
    figures = read_json(home / name / "metrics.json")
    assert set(figures) == {"ssim", "psnr", "face_sharpness", "mouth_sharpness"}
    assert (home / name / "samples" / "held_out.png").exists()
    log = (home / name / "stages" / "compose" / "log.jsonl").read_text()
    for term in ("G.similarity", "G.frame", "G.sequence", "G.sync", "D.frame", "D.sync"):
        assert term in log
    assert ("G.reference" in log) == (name == "s2f_sdfa")


@pytest.mark.parametrize("name", ["sdfa", "s2f_sdfa"])
def test_conditions_are_those_of_ours(name):
    ours = load_recipe(ROOT / "recipes" / "speech2video.yaml").data
    theirs = load_recipe(ROOT / "recipes" / f"{name}.yaml").data
    for key in ("data", "seed", "evaluators"):
        assert theirs[key] == ours[key]
    for key in ("train_evaluators", "evaluate"):
        assert theirs["stages"][key] == ours["stages"][key]
    mine, their = ours["stages"]["compose"], theirs["stages"]["compose"]
    assert their["average"] == mine["average"]
    assert 1 <= their["steps"] / mine["steps"] <= 1.25, "no fewer steps than ours, nor many more"
    for key in ("schedule", "warmup", "final"):
        assert their["optimizers"]["generator"][key] == mine["optimizers"]["generator"][key]
    seen = [stage["batch"] * stage["frames"] for stage in (their, mine)]
    assert 1 <= seen[0] / seen[1] <= 1.25, "no fewer frames a step than ours, nor many more"


def test_a_still_is_of_another_clip_of_the_speaker(store):
    for clip, record in enumerate(store.clips):
        for other in store.others(clip):
            assert other != clip
            assert store.clips[other].labels["identity"] == record.labels["identity"]
            assert store.clips[other].split == "train"
        firsts = [store.frames(other, np.zeros(1, int))[0] for other in store.others(clip)]
        assert any(np.array_equal(store.still(clip), first) for first in firsts)


def test_the_stills_of_training_are_of_other_clips(store):
    stage = SimpleNamespace(
        options=SimpleNamespace(batch=6, sampling="uniform"),
        same_speaker=False,
        fields=(Frames(2, 2), ReferenceImages(), AudioWindows(3200, 3)),
    )
    import torch

    batches = loader_of(Sources(store, 16000), stage, "compose")
    by_name = {record.name: i for i, record in enumerate(store.clips)}
    seen = set()
    for step in range(4):
        clips = batches(step)
        assert clips["audio_windows"].shape == (6, 1, 5, 3200)
        for row, name in enumerate(clips.names):
            found = [
                other
                for other in range(len(store.clips))
                if torch.equal(
                    clips["reference_images"][row],
                    to_images(torch.from_numpy(store.frames(other, np.zeros(1, int)))).squeeze(0),
                )
            ]
            assert set(found) & set(store.others(by_name[name]))
            seen.add((name, tuple(found)))
        assert torch.equal(clips["reference_images"], batches(step)["reference_images"])
    assert len(seen) > len({name for name, _ in seen})  # another one each time


def test_the_first_frame_of_the_very_clip_needs_no_other(store, monkeypatch):
    monkeypatch.setattr(store, "others", lambda clip: pytest.fail("no other clip is needed"))
    stage = SimpleNamespace(
        options=SimpleNamespace(batch=6, sampling="uniform"),
        same_speaker=False,
        fields=(Frames(1), ReferenceImages("first_frame")),
    )
    clips = loader_of(Sources(store, 16000), stage, "compose")(3)
    by_name = {record.name: i for i, record in enumerate(store.clips)}
    for row, name in enumerate(clips.names):
        first = store.still(by_name[name], "first_frame")
        np.testing.assert_array_equal(first, store.frames(by_name[name], np.zeros(1, int))[0])
        assert torch.equal(clips["reference_images"][row], to_images(torch.from_numpy(first[None]))[0])


@pytest.mark.parametrize("reference", ["first_frame", "other_clip"])
def test_sdfa_and_its_discriminator_are_shown_the_same_image(tmp_path, reference):
    sets = (f"generator.reference={reference}",)
    builder = Builder(load_recipe(recipe(tmp_path, "sdfa"), sets, REGISTRY).recipe, REGISTRY)
    stage = builder.stages(builder.graph(), torch.device("cpu"))["compose"]
    fields = [field for field in stage.fields if isinstance(field, ReferenceImages)]
    assert fields == [ReferenceImages(reference)]


def test_a_speaker_of_one_clip_is_refused(store, monkeypatch):
    monkeypatch.setattr(store, "_clips_of_speaker", {"s0": [0]})
    with pytest.raises(InputError, match=r"no other clip of its speaker.*"):
        store.still(0)


def test_sdfa_draws_what_the_still_shows(home, store):
    pipeline = pipeline_of(home, "sdfa")
    speech = store.speech(0, 16000)
    one, other = (clip_of(pipeline, speech, 10, np.full((32, 32, 3), v, np.uint8)) for v in (40, 220))
    assert not np.allclose(one.numpy(), other.numpy(), atol=1e-5)
    with pytest.raises(InputError, match="animates an image"):
        clip_of(pipeline, speech, 10)


def test_s2f_sdfa_draws_from_speech_alone(home, store):
    pipeline = pipeline_of(home, "s2f_sdfa")
    assert not pipeline.graph.takes_reference_image
    speech = store.speech(0, 16000)
    still = np.zeros((32, 32, 3), np.uint8)
    assert np.array_equal(clip_of(pipeline, speech, 5).numpy(), clip_of(pipeline, speech, 5, still).numpy())


@pytest.mark.parametrize("name", ["sdfa", "s2f_sdfa"])
def test_chunks_leave_no_seam(home, store, monkeypatch, name):
    pipeline = pipeline_of(home, name)
    codes = condition_clip(pipeline, store, 0)
    whole = np.concatenate([part.numpy() for part in pipeline.generate(codes)])
    monkeypatch.setattr("s2vkit.inference.pipeline.CHUNK", 7)
    pieces = [part.numpy() for part in pipeline.generate(codes)]
    assert len(pieces) > 1
    assert np.allclose(np.concatenate(pieces), whole, atol=1e-4)


def test_generate_animates_a_picture(home, tmp_path, speech):
    Image.new("RGB", (50, 40), (200, 120, 90)).save(tmp_path / "face.png")
    made = generate(home / "sdfa", speech, tmp_path / "a.mp4", image=tmp_path / "face.png", registry=REGISTRY)
    assert made.frames == 25
    assert len(read_frames(made.path)[0]) == 25


def test_a_missing_or_needless_picture_is_said(home, tmp_path, speech):
    def make(run, image):
        generate(home / run, speech, tmp_path / "b.mp4", image=image, registry=REGISTRY)

    with pytest.raises(InputError, match="none is given") as error:
        make("sdfa", None)
    assert "--image FACE.png" in str(error.value.hint)
    with pytest.raises(InputError, match="no such picture"):
        make("sdfa", tmp_path / "nothing.png")
    with pytest.raises(InputError, match="not a picture"):
        make("sdfa", speech)
    with pytest.raises(InputError, match="needs speech alone"):
        make("s2f_sdfa", tmp_path / "nothing.png")
    assert not (tmp_path / "b.mp4").exists()


def test_the_command_line_has_the_option(capsys):
    assert "--image" in call(capsys, "generate", "--help").out
