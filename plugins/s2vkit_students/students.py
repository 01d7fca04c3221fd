"""The students S_id and S_emo: what the speech says of the face."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Student, current_part
from s2vkit_students import LinearOptions, MlpOptions


class _Standard(nn.BatchNorm1d):
    """Batch norm that takes a lone item, which has no variance, by its running figures."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) * current_part().world == 1:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


def _norm(name: str, size: int) -> nn.Module:
    if name == "batch":
        return _Standard(size)
    return nn.LayerNorm(size) if name == "layer" else nn.Identity()


class _Layers(Student):
    """A stack of layers that ends in a linear one, to which others may want to add a map."""

    dim: int
    layers: nn.Sequential

    def features(self, summary: Tensor) -> Tensor:
        """Map the summary (B, inputs) to what the last layer is given (B, F)."""
        found: Tensor = self.layers[:-1](summary)
        return found

    def last_layer(self) -> nn.Linear:
        """Return the linear layer that makes the code of the features."""
        layer = self.layers[-1]
        assert isinstance(layer, nn.Linear)
        return layer

    def forward(self, summary: Tensor) -> Tensor:
        """Map the summary (B, inputs) to the teacher's space (B, dim)."""
        code: Tensor = self.layers(summary)
        return code


def _last(inputs: int, dim: int, rank: int | None) -> list[nn.Module]:
    """Return the linear way to the code, through at most `rank` numbers where asked."""
    if rank is None:
        return [nn.Linear(inputs, dim)]
    return [nn.Linear(inputs, rank, bias=False), nn.Linear(rank, dim)]


class Mlp(_Layers):
    """Maps (B, inputs) to (B, dim): norm of the input, hidden layers, a linear one.

    Nothing follows the last layer, so that a teacher's vector of either sign can be met.
    """

    def __init__(self, options: MlpOptions, *, inputs: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        layers: list[nn.Module] = [_norm(options.input_norm, inputs)]
        for a, b in pairwise([inputs, *options.hidden]):
            layers += [nn.Linear(a, b), _norm(options.norm, b), nn.ReLU()]
            layers += [nn.Dropout(options.dropout)] if options.dropout else []
        layers += _last(options.hidden[-1], dim, options.rank)
        self.layers = nn.Sequential(*layers)


class Linear(_Layers):
    """Maps (B, inputs) to (B, dim) by norm of the input and one linear layer."""

    def __init__(self, options: LinearOptions, *, inputs: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.layers = nn.Sequential(_norm(options.input_norm, inputs), *_last(inputs, dim, options.rank))
