"""Drift of identity and of the AV offset over a video: known answers."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from s2vkit_metrics import IdentityDriftOptions
from s2vkit_metrics.drift import IdentityDrift
from s2vkit_syncnet import AvOffsetDriftOptions
from s2vkit_syncnet.drift import AvOffsetDrift
from torch import nn

from s2vkit import Outcome


class Angle(nn.Module):
    """Embeds a frame as the direction that its brightness says, in radians."""

    pretrained = True

    def forward(self, frames):
        angle = frames.mean((1, 2, 3))
        return torch.stack([angle.cos(), angle.sin()], 1)


def clip(name, generated, real):
    frames = [torch.tensor(a).view(-1, 1, 1, 1).expand(-1, 3, 2, 2) for a in (generated, real)]
    return Outcome(name, *frames, evaluators={"identity": Angle()}, fps=2.0)


def test_drift_is_the_angle_between_first_and_last_seconds():
    metric = IdentityDrift(IdentityDriftOptions(minutes=(2 / 60, 1.0)))
    metric.update(clip("a", [0.0, 0.0, 0.3, 0.3, 0.9, 0.9], [0.2] * 6))
    metric.update(clip("short", [0.0] * 3, [0.0] * 3))
    score = metric.compute()
    assert score.value == pytest.approx(1 - math.cos(0.9), abs=1e-6)
    assert score.on_real == pytest.approx(0, abs=1e-6)
    assert score.details["at_minutes"] == {
        "0.0333333": {"drift": pytest.approx(1 - math.cos(0.3), abs=1e-6), "clips": 1}
    }
    assert score.details["why_left_out"] == {"short": "it is shorter than two windows of 1 s"}
    assert score.n == 1


def test_the_clips_of_one_video_drift_from_its_first_window():
    metric = IdentityDrift(IdentityDriftOptions(minutes=(5 / 60,)))
    first, second = clip("v-0", [0.0] * 4, [0.0] * 4), clip("v-1", [0.5, 0.5, 0.7, 0.7], [0.0] * 4)
    for outcome, start in ((first, 0.0), (second, 4.0)):
        outcome.video, outcome.start = "v", start
        metric.update(outcome)
    score = metric.compute()
    assert score.clips == {
        "v-0": pytest.approx(0, abs=1e-6),
        "v-1": pytest.approx(1 - math.cos(0.7), abs=1e-6),
    }
    assert score.details["at_minutes"]["0.0833333"]["drift"] == pytest.approx(1 - math.cos(0.5), abs=1e-6)


def in_sync(leads, windows=50):
    """Embeddings of lips, and of speech that leads them by so many frames in each window."""
    noise = torch.randn(len(leads), windows + 40, 16, generator=torch.Generator().manual_seed(1))
    lips = [part[20 : 20 + windows] for part in noise]
    sounds = [part[20 + lead : 20 + lead + windows] for part, lead in zip(noise, leads, strict=True)]
    return torch.cat(lips), torch.cat(sounds)


def test_the_offset_drifts_by_the_frames_that_lips_and_speech_move_apart():
    metric = AvOffsetDrift(AvOffsetDriftOptions(window=2.0, minutes=(6 / 60, 10 / 60)))
    evaluator = SimpleNamespace(pretrained=True, fps=25.0)
    for start, leads, real in ((0.0, (2, 2, 3), (0, 0, 0)), (6.0, (4, -3), (0, 1))):
        outcome = Outcome(
            "", torch.zeros(1), torch.zeros(1), video="v", start=start, sync_evaluator=evaluator
        )
        outcome.name = f"v-{start:g}"
        outcome.shared |= {"sync.generated": in_sync(leads), "sync.real": in_sync(real)}
        metric.update(outcome)
    score = metric.compute()
    assert score.clips == {"v-0": 1.0, "v-6": 5.0}
    assert (score.value, score.on_real) == (3.0, 0.5)
    assert score.details["at_minutes"] == {
        "0.1": {"drift": 1.0, "clips": 1},
        "0.166667": {"drift": 5.0, "clips": 1},
    }
