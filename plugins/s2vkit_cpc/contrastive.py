"""InfoNCE pre-training: discriminate the encodings that come next from others of the batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Batch, Graph, Slot, Speech, Stage, draw_rows, gather_rows
from s2vkit_cpc import ContrastiveOptions
from s2vkit_cpc.predictor import Predictors


@dataclass
class Predictions:
    """The scores of one step of training."""

    losses: Tensor  # (K,) cross-entropies, with gradient
    accuracies: Tensor  # (K,) how often the right one scores highest


class Contrastive(Stage):
    """Trains an audio encoder that has `encode` and `context`, and a predictor a step ahead.

    Windows are drawn with torch's global generator, which the engine seeds for every step;
    a clip shorter than the window is repeated. Anchors are all steps with K steps after them.
    """

    options: ContrastiveOptions
    predictor: Predictors
    precise = True

    def __init__(self, options: ContrastiveOptions, *, graph: Graph) -> None:
        self.options = options
        self.graph = graph
        self.fields = (Speech(options.window if options.vary else 0.0, options.vary),)
        self.same_speaker = options.sampling == "same_speaker"
        encoder = graph.encoder.contrasted()
        # At least two anchors, however short the window is set.
        self.steps = max(round(options.window * encoder.rate), options.predictions + 2)
        self.samples = round(self.steps * encoder.sample_rate / encoder.rate)
        self.anchors = self.steps - options.predictions

    def idle(self) -> str:
        """Explain why there is nothing to train, if so."""
        encoder = self.graph.encoder.contrasted()
        if not encoder.pretrainable:
            return f"{type(encoder).__name__.lower()} has nothing to pre-train"
        return "the audio encoder's weights came from a file" if encoder.pretrained else ""

    def optimizers(self) -> dict[str, Slot]:
        """Return encoder and predictor an optimizer each, of the same options."""
        return {"encoder": self.options.optimizer, "predictor": self.options.optimizer}

    def extras(self) -> dict[str, nn.Module]:
        """Build the predictor, which only training needs."""
        options, dim = self.options, self.graph.encoder.contrasted().dim
        self.predictor = Predictors(options.predictor, dim, self.anchors, options.predictions)
        return {"predictor": self.predictor}

    def shared_forward(self, batch: Batch) -> Predictions:
        """Encode a window of every clip and score what comes next."""
        speech = draw_windows(batch["speech"], batch["lengths"], self.samples)
        z = self.graph.encoder.encode(speech)[:, : self.steps]
        c = self.graph.encoder.context(z)
        logits = self.score(z, self.predictor(c[:, : self.anchors])).float().flatten(0, 1)
        right = torch.zeros(logits.shape[0], dtype=torch.long, device=logits.device)
        losses = [F.cross_entropy(one, right) for one in logits.unbind(2)]
        best = logits.detach().argmax(1) == 0
        return Predictions(torch.stack(losses), best.float().mean(0))

    def score(self, z: Tensor, predicted: Tensor) -> Tensor:
        """Score (B, A, K, C) against z (B, T, C): (B, A, 1 + negatives, K), the first is right."""
        count = self.options.predictions
        ahead = z[:, 1:].unfold(1, count, 1)  # (B, A, C, K) without a copy
        # Not einsum: as a product of matrices for each of these dot products it takes five times as long.
        right = (predicted * ahead.transpose(2, 3)).sum(3) / self.divisor(z.shape[2])
        every = gather_rows(z)  # negatives come from the clips of all processes

        def draw(clips: int) -> Tensor:
            return draw_negatives(clips, z.shape[1], self.anchors, self.options.negatives)

        at = draw_rows(draw, len(z))
        wrong = F.embedding(at.to(z.device), every.flatten(0, 1))  # (B, A, N, C), shared by all k
        scores = torch.einsum("banc,bakc->bank", wrong, predicted) / self.divisor(z.shape[2])
        return torch.cat([right.unsqueeze(2), scores], 2)

    def divisor(self, dim: int) -> float:
        """Return the divisor of a score's sum over dimensions."""
        return float(dim) if self.options.score == "mean" else dim**0.5

    def loss(self, batch: Batch, shared: Predictions) -> dict[str, Tensor]:
        """Return the sum of the losses of every step ahead."""
        return {"contrastive": shared.losses.sum()}

    def extra_metrics(self, batch: Batch, shared: Predictions) -> dict[str, Tensor]:
        """Return the accuracy of every step ahead, and their mean."""
        steps = {f"accuracy_{k}": a for k, a in enumerate(shared.accuracies, start=1)}
        return {"accuracy": shared.accuracies.mean(), **steps}


def draw_windows(speech: Tensor, lengths: Tensor, samples: int) -> Tensor:
    """Draw one window of each clip (B, S) of (B,) lengths: (B, samples)."""
    chance = draw_rows(lambda clips: torch.rand(clips), len(speech)).to(lengths.device)
    first = (chance * (lengths - samples + 1).clamp(min=1)).long()
    at = first.unsqueeze(1) + torch.arange(samples, device=lengths.device)
    return speech.gather(1, at % lengths.clamp(min=1).unsqueeze(1))


def draw_negatives(batch: int, steps: int, anchors: int, count: int) -> Tensor:
    """Draw (B, A, count) places in the flattened (B * steps) encodings.

    Any clip of the batch, any step but the anchor's own (of every clip, as CPC_audio draws).
    """
    clip = torch.randint(batch, (batch, anchors, count))
    offset = torch.randint(1, steps, (batch, anchors, count))
    return clip * steps + (offset + torch.arange(anchors).view(1, -1, 1)) % steps
