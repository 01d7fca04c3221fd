"""wav2vec 2.0, HuBERT, WavLM and GE2E: against independent networks, their files, their times."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchaudio
from helpers_cli import call
from helpers_weights import published, random_weights
from s2vkit_ge2e import Ge2eOptions
from s2vkit_ge2e.encoder import Ge2e, partials
from s2vkit_ssl import SslOptions
from s2vkit_ssl.encoder import Hubert, Wav2Vec2, WavLm

from s2vkit import InputError, RecipeError
from s2vkit.plugins import registry

ALL = [Wav2Vec2, Hubert, WavLm]
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def tiny(kind, **options):
    torch.manual_seed(0)
    return kind(SslOptions(**{"size": "tiny", **options})).eval()


def sound(samples, clips=1):
    return torch.randn(clips, samples, generator=torch.Generator().manual_seed(1)) * 0.1


def published_names(net):
    """Return a network's weights under the names of torchaudio's published files."""
    olds = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    weights = {}
    for name, tensor in net.state_dict().items():
        for new, old in olds.items():
            name = name.replace(new, old)
        weights[name] = tensor
    return weights


def hugging_face_names(published, prefix):
    """Return weights under Hugging Face's names, with what else its files hold."""
    weights = {f"{prefix}masked_spec_embed": torch.zeros(4), "lm_head.bias": torch.zeros(4)}
    for name, tensor in published.items():
        name = name.removeprefix("encoder.transformer.") if "transformer" in name else name
        inner = not name.startswith(("feature_extractor", "encoder.feature_projection"))
        name = f"encoder.{name}" if inner else name.replace("encoder.feature_p", "feature_p")
        if "attention.attention.in_proj" in name:
            for which, part in zip("qkv", tensor.chunk(3), strict=True):
                apart = name.replace("attention.attention.in_proj_", f"attention.{which}_proj.")
                weights[prefix + apart] = part.clone()
        else:
            weights[prefix + name.replace("attention.attention.out_", "attention.out_")] = tensor
    return weights


# wav2vec 2.0, HuBERT, WavLM


@pytest.mark.parametrize("kind", ALL)
def test_a_clip_is_heard_as_torchaudio_hears_it(kind):
    encoder, speech = tiny(kind), sound(8000)
    padded = torch.nn.functional.pad(speech, (40, 40))
    with torch.no_grad():
        features, summary = encoder(speech, torch.tensor([8000]))
        want = encoder.net(padded)[0]
    assert features.shape == (1, 25, 32)  # 50 a second, and none is lost at the end
    torch.testing.assert_close(features, want)
    torch.testing.assert_close(summary, want.mean(1))
    assert (encoder.rate, encoder.sample_rate, encoder.causal) == (50.0, 16000, False)


def test_a_step_is_made_of_the_speech_around_its_time():
    encoder = tiny(Wav2Vec2)
    speech = sound(8000).requires_grad_()
    padded = torch.nn.functional.pad(speech, (40, 40))
    with torch.no_grad():  # the first norm sees the whole clip, which blurs nothing in time
        encoder.net.feature_extractor.conv_layers[0].layer_norm = None
    step = 11
    encoder.net.feature_extractor(padded, None)[0][0, step].sum().backward()
    heard = speech.grad[0].nonzero().squeeze(1)
    middle = (heard.min() + heard.max() + 1).item() / 2 / 16000
    assert middle == pytest.approx((step + 0.5) / 50, abs=1e-4)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("form", ["torchaudio", "hugging face", "hugging face, whole"])
def test_files_of_either_form_load(tmp_path, kind, form):
    trained = tiny(kind)
    prefix = kind.__name__.lower() + "." if form.endswith("whole") else ""
    weights = (
        published_names(trained.net)
        if form == "torchaudio"
        else hugging_face_names(published_names(trained.net), prefix)
    )
    torch.save(weights, tmp_path / "x.pth")
    path = str(tmp_path / "x.pth")
    encoder = kind(SslOptions(checkpoint=path)).eval()  # the layout is the file's
    speech, length = sound(4000), torch.tensor([4000])
    torch.testing.assert_close(encoder(speech, length)[0], trained(speech, length)[0], **CLOSE)
    assert encoder.pretrained
    weights.pop(next(k for k in weights if k.endswith("final_layer_norm.bias")))
    torch.save(weights, path)
    with pytest.raises(InputError, match=r"missing: .*final_layer_norm.bias"):
        kind(SslOptions(checkpoint=path))


def test_the_large_kind_is_known_by_its_norms(tmp_path):
    plain = tiny(Wav2Vec2, norm="layer").net
    torch.save(published_names(plain), tmp_path / "x.pth")
    encoder = Wav2Vec2(SslOptions(checkpoint=str(tmp_path / "x.pth"), layer=1)).eval()
    assert encoder.as_built == {"size": "tiny", "norm": "layer"}
    speech = sound(4000) * 3 + 0.1
    normal = (speech - speech.mean()) / (speech.var(unbiased=False) + 1e-5).sqrt()
    padded = torch.nn.functional.pad(normal, (40, 40))
    with torch.no_grad():
        want = plain.extract_features(padded, num_layers=1)[0][-1]
        made = encoder(speech, torch.tensor([4000]))[0]
    torch.testing.assert_close(made, want, **CLOSE)


def test_a_whole_file_of_hugging_face_is_checked(capsys, tmp_path):
    shapes = published("wavlm", "wavlm_base.pth").shapes()
    weights = {k: torch.zeros(1).expand(shape) for k, (shape, *_) in shapes.items()}
    torch.save(hugging_face_names(weights, "wavlm."), tmp_path / "x.bin")
    called = call(capsys, "weights", "check", "wavlm", tmp_path / "x.bin")
    assert called.code == 0, called.out
    assert "fits audio_encoder 'wavlm' as wavlm_base.pth" in called.out


def test_a_network_of_no_known_size_is_said(tmp_path):
    weights = published_names(tiny(Hubert).net)
    weights["encoder.transformer.layers.2.x"] = torch.zeros(1)
    torch.save(weights, tmp_path / "x.pth")
    with pytest.raises(InputError, match="width 32 with 3 layers is none of those known"):
        Hubert(SslOptions(checkpoint=str(tmp_path / "x.pth")))


def test_a_layer_that_is_not_there_is_said():
    with pytest.raises(RecipeError, match="layer 5 is asked, but the network has 2"):
        tiny(Hubert, layer=5)


@pytest.mark.parametrize(
    ("name", "file", "make"),
    [
        ("wav2vec2", "wav2vec2_fairseq_base_ls960.pth", "wav2vec2_base"),
        ("hubert", "hubert_fairseq_base_ls960.pth", "hubert_base"),
        ("wav2vec2", "wav2vec2_fairseq_large_lv60k.pth", "wav2vec2_large_lv60k"),
        ("hubert", "hubert_fairseq_large_ll60k.pth", "hubert_large"),
        ("wavlm", "wavlm_base.pth", "wavlm_base"),
        ("wavlm", "wavlm_large.pth", "wavlm_large"),
    ],
)
def test_published_layouts_are_torchaudios(name, file, make):
    shapes = {k: either[0] for k, either in published(name, file).shapes().items()}
    entry = registry().get("audio_encoder", name)
    size = "large" if "large" in make else "base"
    with torch.device("meta"):
        plain = getattr(torchaudio.models, make)()
        own = entry.load()(SslOptions(size=size)).net
    for net in (plain, own):
        assert {k: tuple(v.shape) for k, v in published_names(net).items()} == shapes
    ours, theirs = str(own).replace("p=0.0", "p"), str(plain).replace("p=0.1", "p")
    assert ours == theirs.replace("p=0.0", "p")  # kernels, strides, heads and norms as well


# GE2E


def small_ge2e(**options):
    torch.manual_seed(0)
    return Ge2e(Ge2eOptions(**{"hidden": 16, "embedding": 12, **options})).eval()


def slaney_filters():
    """Slaney's 40 mel filters over 201 bins up to 8 kHz, each of area 1, as librosa's."""

    def to_mel(hz):
        return hz / (200 / 3) if hz < 1000 else 15 + math.log(hz / 1000) / (math.log(6.4) / 27)

    def to_hz(mel):
        return mel * 200 / 3 if mel < 15 else 1000 * math.exp((mel - 15) * math.log(6.4) / 27)

    edges = [to_hz(mel) for mel in np.linspace(0, to_mel(8000), 42)]
    bins = np.arange(201) * 40.0
    rows = []
    for low, top, high in zip(edges, edges[1:], edges[2:], strict=False):
        row = np.minimum((bins - low) / (top - low), (high - bins) / (high - top)).clip(0)
        rows.append(row * 2 / (high - low))
    return np.array(rows)


def resemblyzer_by_hand(weights, wav):
    """Resemblyzer's embed_utterance after its change of loudness, written out plainly."""
    wav = wav * max(1.0, 10 ** (-30 / 20) / np.sqrt(np.mean(wav**2)))
    steps = int(np.ceil((len(wav) + 1) / 160))
    starts = list(range(0, max(1, steps - 160 + 77 + 1), 77))
    if (len(wav) - starts[-1] * 160) / 25600 < 0.75 and len(starts) > 1:
        starts.pop()
    wav = np.pad(wav, (200, 200 + max(0, (starts[-1] + 160) * 160 - len(wav))))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    count = (len(wav) - 400) // 160 + 1
    frames = np.stack([wav[i * 160 : i * 160 + 400] * window for i in range(count)])
    mel = np.abs(np.fft.rfft(frames)) ** 2 @ slaney_filters().T
    lstm = torch.nn.LSTM(40, 16, 3, batch_first=True)
    lstm.load_state_dict({k[5:]: v for k, v in weights.items() if k.startswith("lstm.")})
    cut = torch.tensor(np.stack([mel[s : s + 160] for s in starts]), dtype=torch.float32)
    raw = (lstm(cut)[1][0][-1] @ weights["linear.weight"].T + weights["linear.bias"]).relu()
    mean = (raw / raw.norm(dim=1, keepdim=True)).mean(0)
    return mean / mean.norm()


@pytest.mark.parametrize("samples", [4000, 25599, 40000, 57000])
@pytest.mark.parametrize("gain", [0.1, 2.0])
def test_ge2e_embeds_as_resemblyzer(samples, gain):
    encoder, speech = small_ge2e(), sound(samples) * gain
    with torch.no_grad():
        _, made = encoder(speech, torch.tensor([samples]))
        want = resemblyzer_by_hand(encoder.state_dict(), speech[0].double().numpy())
    torch.testing.assert_close(made[0], want, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(made[0].norm(), torch.tensor(1.0))


def test_ge2e_counts_partials():
    assert [partials(s) for s in (1, 25600, 31999, 32000, 16000 * 10)] == [1, 1, 2, 2, 12]


def test_ge2e_steps_hear_their_own_time_and_before():
    encoder = small_ge2e(loudness=None)
    assert encoder.causal
    assert not small_ge2e().causal
    speech, length, step = sound(8000), torch.tensor([8000]), 20
    with torch.no_grad():
        whole = encoder(speech, length)[0]
        assert whole.shape == (1, 50, 16)
        end = step * 160 + 80 + 200  # its window is the 25 ms around (step + 0.5) / 100 s
        for first, same in ((end, True), (end - 60, False)):
            changed = speech.clone()
            changed[:, first:] += 1.0
            assert torch.equal(encoder(changed, length)[0][:, step], whole[:, step]) is same


def test_ge2e_loads_resemblyzers_file(tmp_path):
    weights = random_weights(published("ge2e", "pretrained.pt"))
    more = {"similarity_weight": torch.ones(1), "similarity_bias": torch.ones(1)}
    torch.save({"step": 1, "model_state": {**weights, **more}}, tmp_path / "pretrained.pt")
    encoder = Ge2e(Ge2eOptions(checkpoint=str(tmp_path / "pretrained.pt")))
    assert encoder.pretrained
    assert (encoder.dim, encoder.summary_dim) == (256, 256)
    assert all(torch.equal(v, weights[k]) for k, v in encoder.state_dict().items())


def test_silence_is_heard_too():
    encoder = small_ge2e()
    features, summary = encoder(torch.zeros(1, 3000), torch.tensor([3000]))
    assert torch.isfinite(features).all()
    assert torch.isfinite(summary).all()
