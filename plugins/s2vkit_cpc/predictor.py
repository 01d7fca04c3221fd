"""Predictors of the steps ahead: one linear map, or one causal transformer layer, each."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEADS = 8


class Predictors(nn.Module):
    """One predictor for each step ahead; module names are those of CPC_audio's criterion."""

    def __init__(self, kind: str, channels: int, steps: int, count: int) -> None:
        super().__init__()
        self.predictors = nn.ModuleList(_predictor(kind, channels, steps) for _ in range(count))

    def forward(self, c: Tensor) -> Tensor:
        """Predict from the context (B, A, C): (B, A, K, C), K the steps ahead."""
        return torch.stack([predict(c) for predict in self.predictors], 2)


def _predictor(kind: str, channels: int, steps: int) -> nn.Module:
    if kind == "linear":
        return nn.Linear(channels, channels, bias=False)
    return nn.Sequential(TransformerLayer(channels, steps))


class TransformerLayer(nn.Module):
    """Causal self-attention and a feed-forward network, normalised after each."""

    def __init__(self, channels: int, steps: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.multihead = MultiHead(channels, steps, dropout)
        self.ln_multihead = nn.LayerNorm(channels)
        self.ffnetwork = FeedForward(channels, 8 * channels, dropout)
        self.ln_ffnetwork = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, A, C) to (B, A, C)."""
        x = self.ln_multihead(self.multihead(x) + x)
        return self.ln_ffnetwork(self.ffnetwork(x) + x)


class FeedForward(nn.Module):
    """Two linear maps with a ReLU between them."""

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.lin1 = nn.Linear(channels, hidden)
        self.lin2 = nn.Linear(hidden, channels)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, A, C) to (B, A, C)."""
        return self.lin2(self.drop(F.relu(self.lin1(x))))


class MultiHead(nn.Module):
    """Self-attention in eight heads, without biases."""

    def __init__(self, channels: int, steps: int, dropout: float) -> None:
        super().__init__()
        for name in ("Wo", "Wk", "Wq", "Wv"):
            self.add_module(name, nn.Linear(channels, channels, bias=False))
        self.Att = RelativeAttention(channels // HEADS, steps, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, A, C) to (B, A, C)."""
        query, key, value = (
            self.get_submodule(name)(x).unflatten(2, (HEADS, -1)).transpose(1, 2)
            for name in ("Wq", "Wk", "Wv")
        )
        return self.get_submodule("Wo")(self.Att(query, key, value).transpose(1, 2).flatten(2))


class RelativeAttention(nn.Module):
    """Causal dot-product attention with a learnt key for each distance in time."""

    def __init__(self, dim: int, steps: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.Krelpos = nn.Parameter(torch.empty(dim, steps).uniform_(-1, 1) / math.sqrt(dim))
        self.register_buffer("z", torch.zeros(1, steps, 1))
        future = torch.ones(1, steps, steps).triu(1).bool()
        self.register_buffer("mask", torch.zeros(1, steps, steps).masked_fill(future, -math.inf))

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend over (B, heads, A, dim); A is at most the `steps` it was built for."""
        steps = query.shape[2]
        near = query @ self.Krelpos[:, -steps:]  # column j: the key of distance steps - 1 - j
        # One column of zeros, read again one step shorter, turns distances into positions.
        zeros = self.z[:, :steps].expand(*near.shape[:2], -1, -1).to(near.dtype)
        near = torch.cat([zeros, near], 3).reshape(*near.shape[:2], steps + 1, steps)[:, :, 1:]
        bias = near / math.sqrt(query.shape[3]) + self.mask[:, :steps, :steps].to(near.dtype)
        drop = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=drop)
