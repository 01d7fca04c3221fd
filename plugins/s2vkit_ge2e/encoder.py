"""The GE2E network: an LSTM over mel spectra, whose last state tells the speaker."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from s2vkit import AudioEncoder, SpeechStep, SpeechStream, fit_weights, read_weights, rename, weights_file
from s2vkit.nn import valid_mask
from s2vkit_ge2e import CHECKPOINTS, Ge2eOptions

HOP, WINDOW = 160, 400
SIDE = (WINDOW - HOP) // 2  # samples that the first and last window reach beyond the clip
PARTIAL = 160  # mel steps of which one embedding is made: 1.6 s
EVERY = 77  # mel steps between partials: 1.3 a second
COVERAGE = 0.75  # share of the last partial that must be speech


class Ge2e(AudioEncoder):
    """GE2E as an audio encoder; its module names are those of Resemblyzer's checkpoint.

    The summary is Resemblyzer's utterance embedding: the mean over partials of 1.6 s, of
    length 1. Features are the states of the last recurrent layer over the whole clip; step a
    has heard the 25 ms around (a + 0.5) / 100 s and all before.
    """

    sample_rate = 16000
    rate = 100.0

    def __init__(self, options: Ge2eOptions) -> None:
        super().__init__()
        path = weights_file(options.checkpoint, CHECKPOINTS)
        self.lstm = nn.LSTM(options.n_mels, options.hidden, options.layers, batch_first=True)
        self.linear = nn.Linear(options.hidden, options.embedding)
        self.dim, self.summary_dim = options.hidden, options.embedding
        self.level = options.level
        self.loudness = options.loudness if options.level is None else None
        self.causal = self.loudness is None  # else every step hears how loud the clip is
        self.pretrained = path is not None
        if path:
            trained = rename(read_weights(path), lambda k: None if k.startswith("simil") else k)
            fit_weights(self, trained, source=path)
        mel = MelSpectrogram(
            self.sample_rate,
            WINDOW,
            WINDOW,
            HOP,
            n_mels=options.n_mels,
            center=False,
            norm="slaney",
            mel_scale="slaney",
        )
        self._mel = [mel]  # no submodule: its buffers are in no checkpoint

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (B, S) of (B,) lengths: features (B, A, dim), summary (B, summary_dim)."""
        speech = speech * valid_mask(lengths, speech.shape[1])
        speech = self._raise(speech, lengths)
        short = max(0, HOP - speech.shape[1])
        features = self.lstm(self.spectra(F.pad(speech, (SIDE, SIDE + short))))[0]
        return features, self._summarize(speech, lengths)

    def stream(self) -> SpeechStream | None:
        """Begin an utterance that comes in pieces; its loudness must not have to be known first."""
        from s2vkit_ge2e.streaming import Ge2eStream

        return Ge2eStream(self) if self.causal else None

    def summary_step(self, samples: int) -> SpeechStep | None:
        """Return the summary of the stream as a function of pieces; see `SpeechStep`.

        None if its loudness must be known first, or in a piece more than one partial may end.
        """
        from s2vkit_ge2e.stepping import Ge2eSummaryStep

        return Ge2eSummaryStep(self, samples) if self.causal and samples < EVERY * HOP else None

    @property
    def mel(self) -> MelSpectrogram:
        """The transform from samples to mel energies."""
        return self._mel[0]

    def spectra(self, speech: Tensor) -> Tensor:
        """Compute the mel energies (B, A, n_mels) of each whole window of speech (B, S)."""
        mel = self.mel.to(speech.device)
        return mel(speech.float()).transpose(1, 2)

    def embed(self, mel: Tensor) -> Tensor:
        """Embed partials (N, 160, n_mels): (N, embedding), each of length 1."""
        _, (hidden, _) = self.lstm(mel)
        return F.normalize(F.relu(self.linear(hidden[-1])))

    def _raise(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """Raise quiet clips to the loudness; louder ones stay."""
        if self.loudness is None:
            return speech
        power = speech.square().sum(1) / lengths.clamp(min=1)
        gain = 10 ** (self.loudness / 20) / power.sqrt().clamp(min=1e-6)
        return speech * gain.clamp(min=1.0).unsqueeze(1)

    def _summarize(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """Embed partials of each clip (step a of them around a / 100 s), and take their mean."""
        counts = [partials(length) for length in lengths.tolist()]
        steps = (max(counts) - 1) * EVERY + PARTIAL
        padding = max(0, steps * HOP - speech.shape[1])
        mel = self.spectra(F.pad(speech, (WINDOW // 2, WINDOW // 2 + padding)))
        cut = [
            mel[row, i * EVERY : i * EVERY + PARTIAL]
            for row, count in enumerate(counts)
            for i in range(count)
        ]
        means = [one.mean(0) for one in self.embed(torch.stack(cut)).split(counts)]
        return F.normalize(torch.stack(means))


def partials(samples: int) -> int:
    """Count the partials of so many samples, as Resemblyzer does: at least one."""
    steps = math.ceil((samples + 1) / HOP)
    count = len(range(0, max(1, steps - PARTIAL + EVERY + 1), EVERY))
    covered = (samples - (count - 1) * EVERY * HOP) / (PARTIAL * HOP)
    return count - 1 if covered < COVERAGE and count > 1 else count
