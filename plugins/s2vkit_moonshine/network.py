"""The network of Moonshine's encoder: three convolutions over samples, then a transformer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYERS, HEADS = 6, 8
HOP, FIELD = 384, 895  # samples from step to step, and those that a step of the convolutions is made of
_INNER, _REACH = 6, 13  # steps of the first convolution from step to step, and of which one is made
_TURNED = 0.9  # share of a head's numbers that tell positions, by rotation
_BASE = 10_000.0


class Convolutions(nn.Module):
    """From samples (B, S) to steps (B, width, A)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, width, 127, 64, bias=False)
        self.groupnorm = nn.GroupNorm(1, width)
        self.conv2 = nn.Conv1d(width, 2 * width, 7, 3)
        self.conv3 = nn.Conv1d(2 * width, width, 3, 2)

    def forward(self, speech: Tensor, first: int = 0, count: int | None = None) -> Tensor:
        """Compute `count` steps from `first` on, or all; the others count in the norm alone."""
        x = self.groupnorm(torch.tanh(self.conv1(speech.unsqueeze(1))))
        end = None if count is None else _INNER * (first + count - 1) + _REACH
        x = x[:, :, _INNER * first : end]
        return F.gelu(self.conv3(F.gelu(self.conv2(x))))


class Attention(nn.Module):
    """Self-attention with rotary positions (Su et al. 2021), of neighbouring pairs of numbers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, turn: Tensor) -> Tensor:
        """Attend among steps (B, A, width); `turn` are cosines and sines (2, A, turned)."""
        q, k, v = (
            project(x).unflatten(2, (HEADS, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        found = F.scaled_dot_product_attention(_turned(q, turn), _turned(k, turn), v)
        out: Tensor = self.o_proj(found.transpose(1, 2).flatten(2))
        return out


class Mlp(nn.Module):
    """Two linear layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Layer(nn.Module):
    """A layer of the transformer, normalised before each part."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(width, bias=False)
        self.self_attn = Attention(width)
        self.post_attention_layernorm = nn.LayerNorm(width, bias=False)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor, turn: Tensor) -> Tensor:
        """Map steps (B, A, width) to steps."""
        x = x + self.self_attn(self.input_layernorm(x), turn)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


def turns(steps: int, width: int, like: Tensor) -> Tensor:
    """Return the cosines and sines (2, A, turned) by which positions are told."""
    count = int(width // HEADS * _TURNED) // 2 * 2
    speeds = _BASE ** (-torch.arange(0, count, 2, device=like.device) / count)
    angles = (torch.arange(steps, device=like.device).unsqueeze(1) * speeds).repeat_interleave(2, 1)
    return torch.stack([angles.cos(), angles.sin()]).to(like.dtype)


def _turned(x: Tensor, turn: Tensor) -> Tensor:
    """Turn pairs of the first numbers of (B, heads, A, size) by their positions."""
    cosines, sines = turn
    pairs, rest = x.split([cosines.shape[1], x.shape[3] - cosines.shape[1]], 3)
    across = torch.stack([-pairs[..., 1::2], pairs[..., ::2]], -1).flatten(-2)
    return torch.cat([pairs * cosines + across * sines, rest], -1)
