"""The shape of a mouth: given by landmarks in training, told from speech afterwards."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from s2vkit_composer.blocks import noisy

SHAPE = 2  # numbers of a shape: opening and width
_NOISE = 0.1  # beside shapes of variance 1: landmarks err
_PENALTIES = (3e2, 1e3, 3e3, 1e4, 3e4, 1e5)  # of the ridge regression; that of least error is taken
_FOLDS = 8  # of clips, each told by the others
_LEAST = 0.05  # correlation with what is told of left-out clips; a number of less is not moved by speech
_MOST = 8.0  # times that what is told is brought up to the variance of what was measured
_STEADY = 0.3  # least deviation of a person's numbers that counts as theirs; 1 is that over all
_FURTHEST = 3.0  # a number that is drawn at most; 1 is its deviation over all


class Mouths(nn.Module):
    """Opening and width of the mouth, at one scale.

    A decoder that hears speech alone draws the mean of the shapes that what it hears may have: of
    minutes of speech, a mouth that hardly moves (our choice; not in the paper). Here it learns to
    draw the shape that landmarks measure in the real frame. What speech tells of the shape is
    learnt apart, by a ridge regression of how it differs from its person's mean in deviations of this
    person, and brought to the variance of what was measured: so lips move as far as they did, by the
    part that is heard, and those who open them little say as much of it as others.
    """

    means: Tensor
    spreads: Tensor
    from_speech: Tensor

    def __init__(self, features: int, slots: int, strength: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.level = nn.BatchNorm1d(SHAPE, affine=False)
        self.register_buffer("means", torch.zeros(slots, SHAPE))
        self.register_buffer("spreads", torch.ones(slots, SHAPE))
        self.register_buffer("from_speech", torch.zeros(features, SHAPE))

    def shown(self, shapes: Tensor) -> Tensor:
        """Bring shapes (N, 2) to one scale, in training with noise; unknown ones (NaN) are the mean."""
        codes = self.level(torch.where(shapes.isfinite(), shapes, self.level.running_mean))
        codes = codes.clamp(-_FURTHEST, _FURTHEST)
        return noisy(codes, _NOISE) if self.training else codes

    def told(self, speech: Tensor, weights: Tensor) -> Tensor:
        """Tell shapes (B, V, 2) from speech (B, V, features) and people (B, slots)."""
        means, spreads = ((weights @ of).unsqueeze(1) for of in (self.means, self.spreads))
        shapes = means + self.strength * spreads * (speech @ self.from_speech)
        return shapes.clamp(-_FURTHEST, _FURTHEST)

    def remember(self, shapes: Tensor, speech: Tensor, slots: Tensor) -> None:
        """Learn from shapes at one scale (B, V, 2), speech (B, V, features) and people's slots (B,)."""
        known = (slots >= 0).cpu()
        # Normal equations want float64, which not every device has.
        slots, shapes, speech = (one.cpu()[known] for one in (slots, shapes, speech))
        shapes, speech = shapes.double(), speech.double()
        means, spreads = (torch.zeros(self.means.shape, dtype=torch.float64) for _ in range(2))
        for slot in slots.unique():
            theirs = shapes[slots == slot].flatten(0, 1)
            means[slot], spreads[slot] = theirs.mean(0), theirs.std(0, correction=0).clamp(min=_STEADY)
        self.means.copy_(means.float())
        self.spreads.copy_(spreads.float())
        y = (shapes - means[slots].unsqueeze(1)) / spreads[slots].unsqueeze(1)
        found = [_leave_out(speech, y, penalty) for penalty in _PENALTIES]
        best = int(torch.stack([(y - one).square().mean() for one in found]).argmin())
        told, true = found[best].flatten(0, 1), y.flatten(0, 1)
        gain = (true.std(0) / told.std(0).clamp(min=1e-6)).clamp(1.0, _MOST)
        gain = torch.where(_correlation(told, true) < _LEAST, 0.0, gain)
        self.from_speech.copy_((_ridge(speech, y, _PENALTIES[best]) * gain).float())

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """Load; runs of before have the deviation of all for each person."""
        state_dict.setdefault(f"{prefix}spreads", torch.ones_like(self.spreads))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _ridge(speech: Tensor, y: Tensor, penalty: float) -> Tensor:
    """Regress y (B, V, 2) on speech (B, V, features): (features, 2)."""
    x = speech.flatten(0, 1)
    ridge = torch.eye(x.shape[1], dtype=x.dtype, device=x.device) * penalty
    weights: Tensor = torch.linalg.solve(x.T @ x + ridge, x.T @ y.flatten(0, 1))
    return weights


def _leave_out(speech: Tensor, y: Tensor, penalty: float) -> Tensor:
    """Tell every clip by a regression on others: (B, V, 2)."""
    told = torch.zeros_like(y)
    fold = torch.arange(len(y), device=y.device) % min(_FOLDS, len(y))
    for one in fold.unique():
        out = fold == one
        if not bool(out.all()):
            told[out] = speech[out] @ _ridge(speech[~out], y[~out], penalty)
    return told


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return Pearson's r of each column of (N, 2); 0 where one is constant."""
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / (a.norm(dim=0) * b.norm(dim=0)).clamp(min=1e-12)
