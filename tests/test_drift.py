"""Drift of identity over a clip: known answers."""

from __future__ import annotations

import math

import pytest
import torch
from s2vkit_metrics import IdentityDriftOptions
from s2vkit_metrics.drift import IdentityDrift
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
