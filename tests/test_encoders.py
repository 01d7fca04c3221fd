"""The audio encoders: the layers of the spec, padding, checkpoints, and the pre-training."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import s2vkit_cpc
import torch
import torch.nn.functional as F
import torchaudio
from s2vkit_cpc import ContrastiveOptions, CpcOptions
from s2vkit_cpc.contrastive import Contrastive, draw_negatives, draw_windows
from s2vkit_cpc.encoder import Cpc
from s2vkit_cpc.front import ChannelNorm
from s2vkit_cpc.predictor import TransformerLayer
from s2vkit_logmel import LogMelOptions
from s2vkit_logmel.encoder import LogMel

from s2vkit import Batch, InputError
from s2vkit.build import Builder
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe

TINY = Path(__file__).parents[1] / "recipes" / "tiny.yaml"


def small_cpc(**options):
    torch.manual_seed(0)
    return Cpc(CpcOptions(**{"channels": 16, **options})).eval()


def manifest(name):
    return json.loads(Path(s2vkit_cpc.__file__).with_name(name).read_text())


def cpc_by_hand(weights, speech):
    """The network of the spec, written out plainly."""
    x = speech[:, None]
    for i, (stride, pad) in enumerate([(5, 3), (4, 2), (2, 1), (2, 1), (2, 1)]):
        name = f"gEncoder.conv{i}"
        x = F.conv1d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride, pad)
        mean = x.sum(1, keepdim=True) / x.shape[1]
        var = ((x - mean) ** 2).sum(1, keepdim=True) / (x.shape[1] - 1)
        norm = f"gEncoder.batchNorm{i}"
        x = (x - mean) / (var + 1e-5).sqrt() * weights[f"{norm}.weight"] + weights[f"{norm}.bias"]
        x = x.clamp(min=0)
    z = x.transpose(1, 2)
    h = cell = torch.zeros(len(z), z.shape[2])
    steps = []
    w = {k: weights[f"gAR.baseNet.{k}_l0"] for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    for step in z.unbind(1):
        gates = step @ w["weight_ih"].T + w["bias_ih"] + h @ w["weight_hh"].T + w["bias_hh"]
        i, f, g, o = gates.chunk(4, 1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        h = o.sigmoid() * cell.tanh()
        steps.append(h)
    return z, torch.stack(steps, 1)


def test_cpc_is_the_network_of_the_spec():
    encoder = small_cpc()
    for norm in (m for m in encoder.modules() if isinstance(m, ChannelNorm)):
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    speech = torch.randn(2, 3200) * 0.1
    with torch.no_grad():
        z, c = cpc_by_hand(encoder.state_dict(), speech)
        torch.testing.assert_close(encoder.encode(speech), z, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(encoder.context(z), c, rtol=1e-4, atol=1e-5)
        features, omega = encoder(speech, torch.tensor([3200, 3200]))
    torch.testing.assert_close(features, c, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(omega, c[:, -1], rtol=1e-4, atol=1e-5)


def test_channel_norm_is_not_layer_norm():
    x = torch.randn(2, 4, 3)
    assert not torch.allclose(ChannelNorm(4)(x), F.layer_norm(x.mT, [4]).mT, atol=1e-3)


@pytest.mark.parametrize(
    ("samples", "steps"), [(160, 1), (3200, 20), (15999, 100), (16000, 100), (16001, 100), (20480, 128)]
)
def test_cpc_counts_steps_as_the_original(samples, steps):
    assert small_cpc().encode(torch.zeros(1, samples)).shape == (1, steps, 16)


def test_the_log_mel_front_measures_what_torchaudio_does():
    speech = torch.randn(1, 4000) * 0.1
    mel = torchaudio.transforms.MelSpectrogram(16000, 400, hop_length=160, n_mels=40, center=False)
    padded = F.pad(speech, (120, 120))
    wanted = ((mel(padded) + 1e-5).log() + 4) / 3
    found = small_cpc(front="log_mel").gEncoder.apply_layer(0, padded[:, None])
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "encoder",
    [
        *(lambda s=s: small_cpc(summary=s) for s in ("last", "mean", "statistics", "layers")),
        lambda: small_cpc(context="gru", layers=2),
        *(lambda s=s: small_cpc(front="log_mel", summary=s) for s in ("last", "layers")),
        lambda: LogMel(LogMelOptions(n_mels=16)),
        lambda: LogMel(LogMelOptions(n_mels=16, context=2)),
    ],
)
def test_padding_changes_nothing(encoder):
    encoder = encoder()
    lengths = torch.tensor([4000, 1759, 100, 6400])
    speech = torch.randn(4, 6400) * 0.1  # not even silence past the ends
    with torch.no_grad():
        features, summary = encoder(speech, lengths)
        assert features.shape[2] == encoder.dim
        assert summary.shape == (4, encoder.summary_dim)
        for row, length in enumerate(lengths.tolist()):
            alone, its = encoder(speech[row : row + 1, :length], lengths[row : row + 1])
            steps = alone.shape[1]
            assert steps == max(1, (length + (encoder.as_built.get("front") == "waveform")) // 160)
            torch.testing.assert_close(features[row, :steps], alone[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(summary[row], its[0], rtol=1e-4, atol=1e-5)


def test_cpc_loads_the_public_layout(tmp_path):
    shapes = manifest("keys.json")
    torch.manual_seed(1)
    weights = {k: torch.randn(s) * 0.02 for k, s in shapes.items()}
    torch.save({"config": {"arMode": "LSTM"}, "weights": weights}, tmp_path / "cpc.pt")
    encoder = Cpc(CpcOptions(checkpoint=str(tmp_path / "cpc.pt")))
    assert encoder.pretrained
    assert {k: list(v.shape) for k, v in encoder.state_dict().items()} == shapes
    assert all(torch.equal(v, weights[k]) for k, v in encoder.state_dict().items())
    assert sum(p.numel() for p in encoder.parameters()) == 1_843_456


def test_cpc_with_two_layers_loads_and_is_told_apart(tmp_path):
    torch.save({"gEncoder": small_cpc(layers=2).state_dict()}, tmp_path / "cpc.pt")
    path = str(tmp_path / "cpc.pt")
    assert Cpc(CpcOptions(checkpoint=path)).gAR.baseNet.num_layers == 2
    assert small_cpc(checkpoint=path, layers=2).dim == 16
    with pytest.raises(InputError, match="set `layers: 2`"):
        small_cpc(checkpoint=path, layers=1)


def test_cpc_says_what_does_not_fit(tmp_path):
    weights = small_cpc().state_dict()
    weights["gEncoder.surplus"] = weights.pop("gEncoder.conv0.bias")
    weights["gEncoder.conv3.bias"] = torch.zeros(3)
    torch.save({"weights": weights}, tmp_path / "cpc.pt")
    with pytest.raises(InputError) as error:
        small_cpc(checkpoint=str(tmp_path / "cpc.pt"))
    for part in ("missing: gEncoder.conv0.bias", "unexpected: gEncoder.surplus", "another shape"):
        assert part in str(error.value)


def test_logmel_hears_a_tone_where_it_is():
    encoder = LogMel(LogMelOptions(n_mels=40))
    time = torch.arange(8000) / 16000
    low, high = ((0.3 * torch.sin(2 * math.pi * hz * time))[None] for hz in (300.0, 3000.0))
    length = torch.tensor([8000])
    bands = [encoder(x, length)[0][0, 10:40].mean(0).argmax().item() for x in (low, high)]
    assert bands[0] < 10 < bands[1]
    features, summary = encoder(low, length)
    assert features.shape == (1, 50, 40)
    torch.testing.assert_close(summary[0, :40], features[0].mean(0))


def stage(encoder, **options):
    options = {
        "optimizer": None,
        "window": 0.2,
        "predictions": 3,
        "negatives": 5,
        "predictor": "linear",
    } | options
    chosen = ContrastiveOptions.model_construct(**options)
    made = Contrastive(chosen, graph=SimpleNamespace(encoder=encoder))
    assert set(made.extras()) == {"predictor"}
    return made


def test_negatives_are_never_the_anchors_own_step():
    at = draw_negatives(3, 20, 16, 400)
    assert at.shape == (3, 16, 400)
    assert set((at % 20 - torch.arange(16).view(1, -1, 1)).unique().tolist()).isdisjoint({0, 20})
    assert set((at // 20).unique().tolist()) == {0, 1, 2}


def test_windows_hold_only_the_clips_own_speech():
    speech = torch.arange(1000.0).repeat(2, 1)
    speech[1, 50:] = -1
    windows = draw_windows(speech, torch.tensor([1000, 50]), 120)
    assert torch.equal(windows[0].diff(), torch.ones(119))
    assert torch.equal(windows[1], torch.arange(120.0) % 50)


@pytest.mark.parametrize(("score", "divisor"), [("mean", 16), ("scaled", 4)])
def test_scores_are_the_means_of_products(score, divisor):
    trained = stage(small_cpc(), score=score)
    z, foretold = torch.randn(2, 20, 16), torch.randn(2, 17, 3, 16)
    torch.manual_seed(5)
    scores = trained.score(z, foretold)
    torch.manual_seed(5)
    at = draw_negatives(2, 20, 17, 5)
    for b, a, k in [(0, 0, 0), (1, 4, 2), (0, 16, 1)]:
        seen = torch.stack([z[b, a + k + 1], *z.flatten(0, 1)[at[b, a]]])
        want = (seen * foretold[b, a, k]).sum(1) / divisor
        torch.testing.assert_close(scores[b, a, :, k], want)


@pytest.mark.parametrize("predictor", ["linear", "transformer"])
def test_contrastive_reaches_every_parameter_and_repeats(predictor):
    encoder = small_cpc().train()
    trained = stage(encoder, predictor=predictor)
    trained.predictor.eval()
    clips = Batch([], data={"speech": torch.randn(2, 5000), "lengths": torch.tensor([5000, 2000])})
    totals = []
    for _ in range(2):
        torch.manual_seed(3)
        shared = trained.shared_forward(clips)
        totals.append(trained.loss(clips, shared)["contrastive"])
    assert torch.equal(*totals)
    assert 0.5 < totals[0].item() / (3 * math.log(6)) < 2  # about chance, summed over k
    totals[0].backward()
    for module in (encoder, trained.predictor):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
    assert set(trained.extra_metrics(clips, shared)) == {"accuracy", *(f"accuracy_{k}" for k in (1, 2, 3))}


def test_contrastive_learns():
    encoder = small_cpc().train()
    trained = stage(encoder, predictor="transformer")
    torch.manual_seed(1)
    time = torch.arange(16000) / 16000
    # Every clip hums at its own pitch, in noise: what comes next can be told from other clips.
    hums = [torch.sin(2 * math.pi * hz * time) for hz in (100, 300, 900, 2700)]
    noise = 0.05 * torch.randn(4, 16000)
    clips = Batch([], data={"speech": torch.stack(hums) + noise, "lengths": torch.full((4,), 16000)})
    parameters = [*encoder.parameters(), *trained.predictor.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    seen = []
    for _ in range(60):
        shared = trained.shared_forward(clips)
        optimizer.zero_grad()
        shared.losses.sum().backward()
        optimizer.step()
        seen.append(shared.losses.mean().item())
    assert sum(seen[-20:]) / 20 < 0.85 * math.log(6)  # chance, of 1 right and 5 wrong


def test_contrastive_says_when_it_is_idle(tmp_path):
    assert stage(small_cpc()).idle() == ""
    assert "nothing to pre-train" in stage(LogMel(LogMelOptions())).idle()
    torch.save(small_cpc().state_dict(), tmp_path / "cpc.pt")
    assert "from a file" in stage(small_cpc(checkpoint=str(tmp_path / "cpc.pt"))).idle()
    assert stage(small_cpc(), sampling="same_speaker").same_speaker


def test_transformer_predictor_has_the_public_layout():
    layer = torch.nn.Sequential(TransformerLayer(256, 116))
    shapes = {k: list(v.shape) for k, v in layer.state_dict().items()}
    assert shapes == manifest("predictor_keys.json")


def test_transformer_predictor_is_causal_and_knows_distances():
    torch.manual_seed(0)
    attend = TransformerLayer(16, 10).eval().multihead
    query, key, value = torch.randn(3, 1, 8, 10, 2)
    made = attend.Att(query, key, value)
    for i in (0, 3, 9):
        near = torch.tensor([key[0, 0, j] @ query[0, 0, i] for j in range(i + 1)])
        learnt = [query[0, 0, i] @ attend.Att.Krelpos[:, 9 - (i - j)] for j in range(i + 1)]
        share = ((near + torch.stack(learnt)) / math.sqrt(2)).softmax(0)
        torch.testing.assert_close(made[0, 0, i], share @ value[0, 0, : i + 1])


def test_pre_training_draws_no_pictures() -> None:
    loaded = load_recipe(TINY, (), registry())
    builder = Builder(loaded.recipe, registry())
    assert builder.make(loaded.recipe.stages["pretrain"], graph=builder.graph()).sample_pictures == 0
