"""Moonshine's encoder, block by block, so that speech can come in pieces."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import AudioEncoder, SpeechStep, SpeechStream, fit_weights, rename, weights_file
from s2vkit.nn import exact_on_device, valid_mask
from s2vkit_moonshine import CHECKPOINTS, MoonshineOptions
from s2vkit_moonshine.network import FIELD, HOP, Convolutions, Layer, turns
from s2vkit_moonshine.ort_file import open_moonshine

BEFORE = (FIELD - HOP) // 2  # samples by which a step begins before its own 24 ms, and ends after them
_AT_ONCE = 64  # blocks: more only take memory


class Moonshine(AudioEncoder):
    """The encoder of Moonshine tiny; its module names are those of the published model.

    Moonshine attends over a whole recording. Here the steps of a block attend to those of the
    block, `past` before and `ahead` after it, as if nothing else had been said: so a recording may
    have any length, and may come live. Step a is made of the 56 ms around (a + 0.5) * 24 ms.

    The summary is mean and deviation of what the convolutions give: the transformer forgets who speaks.
    """

    sample_rate = 16000
    rate = sample_rate / HOP
    causal = False

    def __init__(self, options: MoonshineOptions) -> None:
        super().__init__()
        path = weights_file(options.checkpoint, CHECKPOINTS)
        self.past, self.block, self.ahead = options.past, options.block, options.ahead
        self.front = Convolutions(options.width)
        self.layers = nn.ModuleList(Layer(options.width) for _ in range(options.layer))
        self.dim, self.summary_dim = options.width, 2 * options.width
        self.level, self.pretrained = options.level, path is not None
        if path:
            used = [f"layers.{i}." for i in range(options.layer)]
            fit_weights(self, rename(open_moonshine(path).tensors, lambda k: _built(k, used)), source=path)

    @property
    def window(self) -> int:
        """The samples that a block is made of."""
        return (self.past + self.block + self.ahead - 1) * HOP + FIELD

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (B, S) of (B,) lengths: features (B, A, dim), summary (B, summary_dim)."""
        windows, steps = self._windows(speech, lengths)
        found = [self.encode_blocks(some) for some in windows.flatten(0, 1).split(_AT_ONCE)]
        features, heard = (
            torch.cat(part).unflatten(0, windows.shape[:2]).flatten(1, 2) for part in zip(*found, strict=True)
        )
        return features[:, : int(steps.max())], pool(sums(heard, valid_mask(steps, heard.shape[1])))

    def summarize(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """Summarize (B, S) of (B,) lengths, without the transformer: (B, summary_dim)."""
        windows, steps = self._windows(speech, lengths)
        found = [self.hear(some) for some in windows.flatten(0, 1).split(_AT_ONCE)]
        heard = torch.cat(found).unflatten(0, windows.shape[:2]).flatten(1, 2)
        return pool(sums(heard, valid_mask(steps, heard.shape[1])))

    def stream(self) -> SpeechStream:
        """Begin an utterance that comes in pieces; a step waits for its block and what is after it."""
        return MoonshineStream(self)

    def step(self, steps: int) -> SpeechStep | None:
        """Return the stream as a function of pieces of a block, whatever is asked; see `SpeechStep`.

        None if more is heard after a block than the next one has.
        """
        from s2vkit_moonshine.stepping import MoonshineStep

        return MoonshineStep(self) if self.ahead * HOP + BEFORE < self.block * HOP else None

    def encode_blocks(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Encode windows (N, S) of a block each: its steps (N, block, dim), and what convolutions heard."""
        heard = self.front(windows).transpose(1, 2)
        own = slice(self.past, self.past + self.block)
        x, turn = heard, turns(heard.shape[1], heard.shape[2], heard)
        for layer in self.layers:
            x = layer(x, turn)
        return x[:, own], heard[:, own]

    def hear(self, windows: Tensor) -> Tensor:
        """Compute what the convolutions give of the block of each window (N, S): (N, block, dim)."""
        heard: Tensor = self.front(windows, self.past, self.block)
        return heard.transpose(1, 2)

    def _windows(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Cut speech (B, S) into the windows of its blocks (B, blocks, S'), and count steps (B,)."""
        speech = speech * valid_mask(lengths, speech.shape[1])
        steps = (lengths // HOP).clamp(min=1)
        blocks = -(-int(steps.max()) // self.block)
        end = (blocks - 1) * self.block * HOP + self.window
        before = self.past * HOP + BEFORE
        after = max(0, end - before - speech.shape[1])
        padded = F.pad(speech, (before, after))[:, :end]
        return padded.unfold(1, self.window, self.block * HOP), steps


class MoonshineStream:
    """One utterance (or a batch of equally long ones); memory does not grow with its length."""

    def __init__(self, encoder: Moonshine) -> None:
        self.encoder = encoder
        self.samples = self.steps = 0  # come, and given
        self.kept: Tensor | None = None
        self.sums: Tensor | None = None

    def encode(self, speech: Tensor) -> Tensor:
        """Encode the next samples (B, S): the features (B, A, dim) that they complete."""
        encoder = self.encoder
        self.samples += speech.shape[1]
        if self.kept is None:
            self.kept = speech.new_zeros(len(speech), encoder.past * HOP + BEFORE)
        self.kept = torch.cat([self.kept, speech], 1)
        pieces = [speech.new_zeros(len(speech), 0, encoder.dim)]
        while self.kept.shape[1] >= encoder.window:
            pieces.append(self._block(encoder.block))
        return torch.cat(pieces, 1)

    def finish(self) -> tuple[Tensor, Tensor]:
        """End the utterance: the last features (B, A, dim), and the summary (B, summary_dim)."""
        encoder = self.encoder
        if self.kept is None:
            self.encode(encoder.front.conv1.weight.new_zeros(1, 0))
        assert self.kept is not None
        pieces = [self.kept.new_zeros(len(self.kept), 0, encoder.dim)]
        total = max(1, self.samples // HOP)
        while self.steps < total:
            self.kept = F.pad(self.kept, (0, max(0, encoder.window - self.kept.shape[1])))
            pieces.append(self._block(min(encoder.block, total - self.steps)))
        return torch.cat(pieces, 1), self.summary()

    def summary(self) -> Tensor:
        """Summarize the blocks so far, one at least: (B, summary_dim)."""
        if self.sums is None:  # live, before the first block is whole: as if the speech ended here
            assert self.kept is not None
            window = F.pad(self.kept, (0, self.encoder.window - self.kept.shape[1]))
            return pool(self._sum(self.encoder.hear(window), max(1, self.samples // HOP)))
        return pool(self.sums)

    def _block(self, count: int) -> Tensor:
        """Encode the block that has come: its first `count` steps."""
        assert self.kept is not None
        features, heard = self.encoder.encode_blocks(self.kept[:, : self.encoder.window])
        self.kept = self.kept[:, self.encoder.block * HOP :]
        self.steps += count
        found = self._sum(heard, count)
        self.sums = found if self.sums is None else self.sums + found
        return features[:, :count]

    def _sum(self, heard: Tensor, count: int) -> Tensor:
        return sums(heard, torch.arange(heard.shape[1], device=heard.device).unsqueeze(0) < count)


def sums(heard: Tensor, valid: Tensor) -> Tensor:
    """Return the number of valid (B, A) steps, and the sums of them and of their squares: (B, 1 + 2 dim)."""
    heard = exact_on_device(heard) * valid.unsqueeze(2)
    count = valid.sum(1, keepdim=True).expand(len(heard), 1)
    return torch.cat([count.to(heard), heard.sum(1), heard.square().sum(1)], 1)


def pool(sums: Tensor) -> Tensor:
    """Return mean and deviation (B, 2 dim) of sums (B, 1 + 2 dim)."""
    mean, squares = (sums[:, 1:] / sums[:, :1].clamp(min=1)).chunk(2, 1)
    return torch.cat([mean, (squares - mean.square()).clamp(min=0).add(1e-6).sqrt()], 1).float()


def _built(name: str, used: list[str]) -> str | None:
    """Return the name that the network has for a published one; None for what is not used."""
    if name.startswith("layers."):
        return name if name.startswith(tuple(used)) else None
    return None if name.startswith("layer_norm.") else f"front.{name}"
