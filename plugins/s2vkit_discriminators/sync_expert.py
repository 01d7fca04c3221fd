"""The lip-sync expert as D_sync: a tower for mouths, one for speech, and how near their embeddings are."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Batch, Discriminator, GeneratorOutput, Inputs
from s2vkit.nn import face_part
from s2vkit_discriminators import SyncExpertOptions
from s2vkit_discriminators.layers import Shape, halvings, leaky, widths_of
from s2vkit_discriminators.log_mel import LogMelRuns

_STEEP = 8.0  # what the line is multiplied by, so that it is soon learnt at the rate of the towers


class SyncExpert(Discriminator):
    """D_sync (Eq. 6) by the cosine of two embeddings, of grey mouths and of log-mel speech.

    The embeddings are what a contrastive loss can pre-train, on real pairs alone (`sync_pairs`);
    the score is a line through their cosine, which every adversarial loss can use.
    """

    def __init__(
        self, options: SyncExpertOptions, *, size: int, features: int, map_shapes: list[Shape]
    ) -> None:
        super().__init__()
        self.fields = (LogMelRuns(options.frames, options.n_mels, options.context),)
        self.run_length, self.runs = options.frames, options.frames > 1
        self.region = options.region
        layers = halvings(size, 8)
        self.see = _tower(options.frames, options.channels, layers, (2, 4), options.joint)
        self.hear = _tower(1, options.channels, 3, (5, 3), options.joint)
        self.score = nn.Linear(1, 1)
        nn.init.constant_(self.score.weight, 0.02)  # little: which way it goes is learnt
        nn.init.zeros_(self.score.bias)
        self.to(memory_format=torch.channels_last)

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Return runs of frames (M, W, 3, H, W) and their log-mel speech (M, n_mels, S)."""
        return self._divided(output.frames), batch["log_mel_runs"].flatten(0, 1)

    def mismatched(self, batch: Batch) -> Inputs:
        """Return real runs with speech of other times."""
        return self._divided(batch["frames"]), batch["mismatched_log_mel_runs"].flatten(0, 1)

    def _divided(self, frames: Tensor) -> Tensor:
        runs: Tensor = frames.unflatten(1, (-1, self.run_length)).flatten(0, 1)  # type: ignore[no-untyped-call]
        return runs

    def forward(self, runs: Tensor, speech: Tensor) -> Tensor:
        """Score (M, W, 3, H, W) in [-1, 1] with (M, n_mels, S): (M, 1)."""
        return self.compare(*self.embed(runs, speech))

    def embed(self, *inputs: Tensor | list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the embeddings of runs (M, joint) and of speech (N, joint), both of length 1."""
        runs, speech = (_tensor(one) for one in inputs)
        images = face_part(runs.mean(2), self.region)  # grey, the frames as channels
        images = images.contiguous(memory_format=torch.channels_last)
        return F.normalize(self.see(images), dim=1), F.normalize(self.hear(speech.unsqueeze(1)), dim=1)

    def compare(self, frames: Tensor, condition: Tensor) -> Tensor:
        """Score embeddings (N, joint) with as many others: (N, 1)."""
        scores: Tensor = _STEEP * self.score((frames * condition).sum(1, keepdim=True))
        return scores

    def score_kinds(self, real: Inputs, fake: Inputs, mismatched: Inputs | None) -> tuple[Tensor, ...]:
        """Score real, fake and mismatched pairs; the real runs, in two kinds, are embedded once."""
        if mismatched is None:
            return super().score_kinds(real, fake, None)
        frames, speech = self.embed(
            torch.cat([_tensor(real[0]), _tensor(fake[0])]),
            torch.cat([_tensor(real[1]), _tensor(mismatched[1])]),
        )
        true, made = frames.chunk(2)
        right, wrong = speech.chunk(2)
        return self.compare(torch.cat([true, made, true]), torch.cat([right, right, wrong])).chunk(3)


def _tensor(value: Tensor | list[Tensor]) -> Tensor:
    assert isinstance(value, Tensor)
    return value


def _tower(inputs: int, channels: int, layers: int, cells: tuple[int, int], joint: int) -> nn.Sequential:
    widths = widths_of(inputs, channels, 4, layers)
    body: list[nn.Module] = []
    for before, after in pairwise(widths):
        body += [nn.Conv2d(before, after, 3, 2, 1), leaky()]
    cell = cells[0] * cells[1]
    return nn.Sequential(
        *body, nn.AdaptiveAvgPool2d(cells), nn.Flatten(), nn.Linear(widths[-1] * cell, joint)
    )
