"""CSIM and ACD: how near generated faces are to the speaker's, as a face network embeds them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Outcome, Score
from s2vkit_metrics import AcdOptions, EmbeddingOptions
from s2vkit_metrics.averages import OverClips
from s2vkit_metrics.evaluating import evaluator_of

_CHUNK = 64


class _Embedded(OverClips):
    """Base: each frame's embedding against that of a true frame of the clip.

    The chance figure sets the generated frames beside the true first frame of the clip before (the
    first clip beside the last), whoever speaks there.
    """

    def __init__(self, options: EmbeddingOptions) -> None:
        super().__init__()
        self.options = options
        self.first: Tensor | None = None
        self.last: Tensor | None = None
        self.evaluator = ""

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        evaluator = evaluator_of(outcome, "identity")
        self.evaluator = (
            f"{type(evaluator).__name__}, from a file"
            if evaluator.pretrained
            else (f"{type(evaluator).__name__}, trained in this run on real frames of the training split")
        )
        generated, real = embed(evaluator, outcome.generated), embed(evaluator, outcome.real)
        frames = min(len(generated), len(real))
        against = real[:1] if self.options.reference == "first" else real[:frames]
        self.names.append(outcome.name)
        self.generated.append(self._mean(generated[:frames], against))
        self.real.append(self._mean(real[:frames], against))
        if self.last is None:
            self.first = generated
        else:
            self.others.append(self._mean(generated, self.last))
        self.last = real[:1]

    def compute(self) -> Score:
        """Return the mean over clips."""
        kept = list(self.others)
        if self.first is not None and self.last is not None and len(self.generated) > 1:
            self.others.append(self._mean(self.first, self.last))
        at = "the clip's first true frame" if self.options.reference == "first" else "the true frame"
        found = self.score(
            f"{self.what()} between the embeddings of each generated frame and of {at} by the evaluator "
            f"'identity' ({self.evaluator}); mean over frames, then over clips; on real: "
            "of the real frames; chance: against another clip's first true frame"
        )
        self.others = kept
        return found

    def what(self) -> str:
        """Name the figure."""
        raise NotImplementedError

    def compare(self, one: Tensor, other: Tensor) -> Tensor:
        """Compare embeddings (N, D), rows broadcast: (N,)."""
        raise NotImplementedError

    def _mean(self, one: Tensor, other: Tensor) -> float:
        return float(self.compare(one, other).mean())


class Csim(_Embedded):
    """The cosine of the embeddings; 1: the same face to the network."""

    def what(self) -> str:
        """Name the figure."""
        return "CSIM: cosine"

    def compare(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the cosine."""
        return F.cosine_similarity(one, other, dim=-1)


class Acd(_Embedded):
    """The average content distance; 0: the same face to the network."""

    options: AcdOptions

    def what(self) -> str:
        """Name the figure."""
        return f"ACD: {'L2 distance' if self.options.distance == 'l2' else 'one less cosine'}"

    def compare(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the distance."""
        if self.options.distance == "l2":
            return (one - other).norm(dim=-1)
        return 1 - F.cosine_similarity(one, other, dim=-1)


@torch.no_grad()
def embed(evaluator: nn.Module, frames: Tensor) -> Tensor:
    """Let an evaluator embed frames (V, 3, H, W) in [-1, 1]: (V, dim), on the CPU."""
    place = next(evaluator.parameters(), frames).device
    return torch.cat([evaluator(part.to(place).float()) for part in frames.split(_CHUNK)]).float().cpu()
