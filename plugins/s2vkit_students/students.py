"""The students S_id and S_emo: what the speech says of the face."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import s2vkit
from s2vkit import Student
from s2vkit_students import LinearOptions, MlpOptions

_SHRINKAGE = 0.01  # added to variances within a kind, where each number's variance over all is 1


class _Standard(nn.BatchNorm1d):
    """Batch norm that takes a lone item, which has no variance, by its running figures."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) == 1 and s2vkit.current_part().world == 1:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


def _norm(name: str, size: int) -> nn.Module:
    if name == "batch":
        return _Standard(size)
    return nn.LayerNorm(size) if name == "layer" else nn.Identity()


class Discriminant(nn.Module):
    """Maps a summary (B, inputs) to what kinds of clips differ in (B, directions), in closed form.

    Fisher's linear discriminant analysis, with a shrunk covariance. A summary has hundreds of numbers,
    and of minutes of speech a network learns many that tell its clips apart by chance, or by how they
    were recorded. Along these directions, what is heard of one kind varies by 1 in every direction,
    be it of another piece of the clip or as another recording of it; directions in which kinds differ
    most come first; with fewer kinds than directions the rest is 0. Until it has learnt, it passes on the
    first numbers as they are.
    """

    centre: Tensor
    axes: Tensor
    learnt: Tensor

    def __init__(self, inputs: int, directions: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("axes", torch.eye(inputs, directions))
        self.register_buffer("learnt", torch.zeros((), dtype=torch.long))

    def learn(self, summaries: Tensor, kinds: Tensor) -> None:
        """Learn from summaries (N, S, inputs) of clips of kinds (N,), unless it has learnt already.

        A model that starts from a trained one keeps its directions, which what follows was trained on.
        """
        if bool(self.learnt):
            return
        # Covariances want float64, which not every device has.
        heard = summaries.cpu().double()
        which = kinds.cpu().unique(return_inverse=True)[1]
        means = torch.stack(
            [heard[which == kind].flatten(0, 1).mean(0) for kind in range(int(which.max()) + 1)]
        )
        within = (heard - means[which].unsqueeze(1)).flatten(0, 1)
        axes = _directions(heard.flatten(0, 1).std(0, correction=0), within, means)[:, : self.axes.shape[1]]
        self.centre.copy_(means.mean(0))
        self.axes.zero_()
        self.axes[:, : axes.shape[1]] = axes.to(self.axes)
        self.learnt.fill_(1)

    def forward(self, summary: Tensor) -> Tensor:
        """Map (B, inputs) to (B, directions)."""
        with torch.autocast(summary.device.type, enabled=False):  # directions of little variance
            return (summary.float() - self.centre) @ self.axes


def _directions(deviation: Tensor, within: Tensor, means: Tensor) -> Tensor:
    """Find the discriminant directions (E, D) of deviations from a kind's mean (N, E) and of those means."""
    scale = 1 / deviation.clamp(min=1e-6)
    within = within * scale
    covariance = within.T @ within / len(within)
    covariance += _SHRINKAGE * torch.eye(len(covariance), dtype=covariance.dtype)
    lower = torch.linalg.cholesky(covariance)
    between = torch.linalg.solve_triangular(lower, ((means - means.mean(0)) * scale).T, upper=False)
    left = torch.linalg.svd(between, full_matrices=False).U[:, : max(1, len(means) - 1)]
    largest = left.gather(0, left.abs().argmax(0, keepdim=True))
    left = left * largest.sign()  # which way a direction points is not determined otherwise
    return scale[:, None] * torch.linalg.solve_triangular(lower.T, left, upper=True)


def _entrance(options: LinearOptions, inputs: int) -> tuple[nn.Module, int]:
    """Return what brings a summary to one scale, and how many numbers it gives."""
    if options.input_norm != "discriminant":
        return _norm(options.input_norm, inputs), inputs
    directions = min(options.directions, inputs)
    return nn.Sequential(Discriminant(inputs, directions), _Standard(directions)), directions


class _Layers(Student):
    """A stack of layers that ends in a linear one, to which others may want to add a map."""

    dim: int
    layers: nn.Sequential

    @property
    def discriminant(self) -> Discriminant:
        """What brings summaries to directions, with `input_norm: discriminant`."""
        return next(module for module in self.modules() if isinstance(module, Discriminant))

    def prepare(self, summaries: Tensor, kinds: Tensor) -> None:
        """Learn the discriminant of summaries (N, S, inputs) of clips of kinds (N,)."""
        self.discriminant.learn(summaries, kinds)

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
        self.dim, self.prepares = dim, options.input_norm == "discriminant"
        entrance, size = _entrance(options, inputs)
        layers: list[nn.Module] = [entrance]
        for a, b in pairwise([size, *options.hidden]):
            layers += [nn.Linear(a, b), _norm(options.norm, b), nn.ReLU()]
            layers += [nn.Dropout(options.dropout)] if options.dropout else []
        layers += _last(options.hidden[-1], dim, options.rank)
        self.layers = nn.Sequential(*layers)


class Linear(_Layers):
    """Maps (B, inputs) to (B, dim) by norm of the input and one linear layer."""

    def __init__(self, options: LinearOptions, *, inputs: int, dim: int) -> None:
        super().__init__()
        self.dim, self.prepares = dim, options.input_norm == "discriminant"
        entrance, size = _entrance(options, inputs)
        self.layers = nn.Sequential(entrance, *_last(size, dim, options.rank))
