"""The voice encoder of Speech2Face: its published layers, what it hears, and its training."""

from __future__ import annotations

import pytest
import torch
from s2vkit_speech2face import VoiceHeadOptions, VoiceOptions
from s2vkit_speech2face.voice import VoiceEncoder, VoiceHead
from torch import nn

SMALL = {"width": 0.05, "seconds": 2.8, "fft": 128}


def encoder(**options):
    torch.manual_seed(0)
    return VoiceEncoder(VoiceOptions(**options)).eval()


def test_it_has_the_published_layers():
    with torch.device("meta"):
        published = VoiceEncoder(VoiceOptions())
        shapes = []
        for conv in published.convs:
            conv.register_forward_hook(lambda m, seen, made: shapes.append(tuple(made.shape[1:])))
        made = published.embed(torch.zeros(1, 2, 598, 257))
        head = VoiceHead(VoiceHeadOptions(), inputs=4096, dim=4096)
    assert shapes == [
        (64, 595, 254),
        (64, 592, 251),
        (128, 589, 248),
        (128, 291, 245),
        (128, 142, 242),
        (256, 68, 239),
        (512, 31, 236),
        (512, 14, 117),
        (512, 6, 57),
    ]
    assert made.shape == (1, 4096)
    assert (published.fc1.in_features, head.fc2.out_features) == (29184, 4096)


def test_six_seconds_are_598_steps_of_257_bins():
    published = encoder(width=0.01)
    seen = published.spectrum(torch.randn(1, 96000) * 0.1, torch.tensor([96000]))
    assert seen.shape == (1, 2, 598, 257)


def test_the_spectrum_is_compressed_with_its_sign():
    ear = encoder(**SMALL)
    speech, lengths = torch.randn(1, 44800), torch.tensor([44800])
    own = torch.stft(speech, 128, 160, 128, torch.hann_window(128), center=False, return_complex=True)
    real = own.real.transpose(1, 2)
    seen = ear.spectrum(speech, lengths)[:, 0]
    assert torch.allclose(seen, real.sign() * real.abs() ** 0.3, atol=1e-5)


def test_a_short_clip_is_repeated_and_a_long_one_cut():
    ear = encoder(**SMALL)
    speech = torch.randn(1, 8000)
    summary = ear(speech, torch.tensor([8000]))[1]
    twice = ear(torch.cat([speech, speech], 1), torch.tensor([16000]))[1]
    assert torch.allclose(summary, twice, atol=1e-5)
    padded = ear(torch.cat([speech, torch.ones(1, 500)], 1), torch.tensor([8000]))[1]
    assert torch.allclose(summary, padded, atol=1e-5)
    long = torch.randn(1, 60000)
    cut = ear(long[:, :44800], torch.tensor([44800]))[1]
    assert torch.allclose(ear(long, torch.tensor([60000]))[1], cut, atol=1e-5)


def test_each_layer_is_convolution_relu_norm():
    """After the norm, so negative numbers come out: the order of Speech2Face."""
    ear = encoder(**SMALL)
    seen = []
    ear.norms[0].register_forward_hook(lambda m, given, made: seen.append((given[0], made)))
    with torch.no_grad():
        ear.norms[0].bias.fill_(-1.0)
    ear(torch.randn(1, 44800), torch.tensor([44800]))
    assert seen[0][0].min() >= 0
    assert seen[0][1].min() < 0


def test_too_little_time_is_refused():
    with pytest.raises(ValueError, match=r"2\.7"):
        VoiceOptions(seconds=2.0)


def test_it_learns_to_tell_voices():
    """Two hums of different pitch, towards two opposite codes."""
    ear = encoder(**SMALL).train()
    head = VoiceHead(VoiceHeadOptions(), inputs=ear.summary_dim, dim=8)
    time = torch.arange(44800) / 16000
    pitch = torch.tensor([110.0, 220.0]).repeat(2).unsqueeze(1)
    speech = torch.sin(2 * torch.pi * pitch * time) + 0.01 * torch.randn(4, 44800)
    target = nn.functional.normalize(torch.tensor([1.0, -1.0]).repeat(2)[:, None].expand(4, 8))
    optimizer = torch.optim.Adam([*ear.parameters(), *head.parameters()], lr=3e-3)
    found = []
    for _ in range(12):
        code = nn.functional.normalize(head(ear(speech, torch.full((4,), 44800))[1]))
        loss = (code - target).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    assert found[-1] < 0.2 * found[0]
