"""Inference: from speech of any length to frames, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from s2vkit.data.frozen import to_images
from s2vkit.data.store import ClipStore
from s2vkit.device import Policy
from s2vkit.errors import InputError
from s2vkit.interfaces.audio_encoder import Streaming
from s2vkit.interfaces.audio_windows import at_peak, cut_sounds
from s2vkit.interfaces.batch import Conditioning, align, neighbours, speech_steps
from s2vkit.interfaces.graph import Graph
from s2vkit.recipe.schema import Alignment

WINDOW = 20.0  # seconds of speech heard at once
CONTEXT = 2.0  # seconds before a window that are heard again, and thrown away
CHUNK = 64  # frames drawn at once


class InferencePipeline:
    """The inference graph at work: it hears speech and draws what it saw in it."""

    def __init__(self, graph: Graph, alignment: Alignment, policy: Policy) -> None:
        self.graph, self.alignment, self.policy = graph, alignment, policy
        used = ("encoder", "student", "generator")
        policy.place_all({k: m for k, m in graph.modules().items() if k.split(".")[0] in used})

    @property
    def sample_rate(self) -> int:
        """Hz of the speech it takes."""
        return self.graph.encoder.sample_rate

    def frames_of(self, samples: int) -> int:
        """Count the frames that last as long as the speech, to within half a frame."""
        return max(1, round(samples / self.sample_rate * self.graph.world.fps))

    @torch.inference_mode()
    def hear(self, speech: np.ndarray, frames: int, still: np.ndarray | None = None) -> Conditioning:
        """Hear (S,) speech: the codes of one clip of so many frames.

        `still` (H, W, 3) uint8 is the speaker's face, for a generator that wants one.

        Speech longer than a window is heard piece by piece: by an encoder that streams as if
        at once, else window by window, each with what came before it, where the summary is the
        mean over windows, weighted by their length.
        """
        encoder = self.graph.encoder
        if isinstance(encoder, Streaming) and len(speech) > WINDOW * self.sample_rate:
            heard, summary = self._hear_stream(speech, encoder)
        else:
            heard, summary = self._hear_windows(speech)
        features = align(
            heard,
            encoder.rate,
            self.graph.world.fps,
            frames,
            mode=self.alignment.mode,
            shift=self.alignment.shift,
        )
        codes = self.graph.hear(features, summary)
        device = self.policy.device
        if "stills" in self.graph.wants:
            if still is None:
                raise InputError(
                    "this model animates a still image of the speaker, and there is none",
                    hint="give one with `--image FACE.png`",
                )
            codes.stills = to_images(torch.from_numpy(still)[None].to(device))
        if "sounds" in self.graph.wants:
            codes.speech = at_peak(torch.from_numpy(np.ascontiguousarray(speech)).to(device))
        return codes

    def _hear_stream(self, speech: np.ndarray, encoder: Streaming) -> tuple[Tensor, Tensor]:
        """Hear pieces as they come: features (1, A, D) and summary (1, E) of the whole."""
        stream, piece = encoder.stream(), int(WINDOW * self.sample_rate)
        heard = []
        for start in range(0, len(speech), piece):
            samples = torch.from_numpy(np.ascontiguousarray(speech[start : start + piece]))
            heard.append(stream.hear(samples[None].to(self.policy.device)))
        rest, summary = stream.finish()
        features = torch.cat([*heard, rest], 1)
        length = torch.tensor([len(speech)])
        rate = self.graph.encoder.rate
        steps = int(speech_steps(length, self.sample_rate, rate, features.shape[1])[0])
        return features[:, :steps], summary

    def _hear_windows(self, speech: np.ndarray) -> tuple[Tensor, Tensor]:
        pieces, summaries, weights = [], [], []
        for window in _windows(len(speech), self.sample_rate, causal=self.graph.encoder.causal):
            heard, summary = self._hear_window(speech, window)
            pieces.append(heard)
            summaries.append(summary * (window.stop - window.start))
            weights.append(window.stop - window.start)
        return torch.cat(pieces, 1), torch.stack(summaries).sum(0) / sum(weights)

    def _hear_window(self, speech: np.ndarray, window: Window) -> tuple[Tensor, Tensor]:
        """Hear one window: the features of its own time (1, A, D), and its summary (1, E)."""
        encoder, device = self.graph.encoder, self.policy.device
        piece = torch.from_numpy(np.ascontiguousarray(speech[window.first : window.last]))
        length = torch.tensor([len(piece)])
        heard, summary = encoder(piece[None].to(device), length.to(device))
        steps = int(speech_steps(length, self.sample_rate, encoder.rate, heard.shape[1])[0])
        first, start, stop = (
            int(at * encoder.rate / self.sample_rate) for at in (window.first, window.start, window.stop)
        )
        at = torch.arange(start, max(stop, start + 1), device=device) - first
        return heard[:, at.clamp(max=steps - 1)], summary

    @torch.inference_mode()
    def draw(self, codes: Conditioning) -> Iterator[Tensor]:
        """Draw the frames of one clip's codes, chunk by chunk: (n, 3, H, W) in [-1, 1]."""
        assert self.graph.generator is not None
        frames, state = codes.features.shape[1], None
        for start in range(0, frames, CHUNK):
            part = self.cut(codes, start, min(start + CHUNK, frames), state)
            made = self.graph.generator(part)
            state = made.state
            yield made.frames[0].float().clamp(-1, 1)

    def cut(self, codes: Conditioning, start: int, stop: int, state: Any = None) -> Conditioning:
        """Cut frames start to stop out of a clip's codes, to go on from `state` or anew."""
        reach, generator = self.graph.reach, self.graph.generator
        around = neighbours(codes.features, reach, start, stop) if reach else None
        part = replace(codes, features=codes.features[:, start:stop], around=around, state=state)
        if codes.speech is not None:
            first = start - (getattr(generator, "lead", 0) if state is None else 0)
            times = torch.arange(first, stop, device=codes.speech.device)[None, None]
            samples = int(getattr(generator, "sound_samples", 0))
            fps = self.graph.world.fps
            part.sounds = cut_sounds(codes.speech, self.sample_rate, fps, times, samples)
        return part

    def make(self, speech: np.ndarray, frames: int, still: np.ndarray | None = None) -> Tensor:
        """Make a whole short clip: (V, 3, H, W) in [-1, 1]."""
        return torch.cat(list(self.draw(self.hear(speech, frames, still))))

    def condition_clip(self, store: ClipStore, clip: int) -> Conditioning:
        """Hear a clip of the corpus; a still, if one is wanted, is of another clip."""
        still = store.still(clip) if "stills" in self.graph.wants else None
        return self.hear(store.speech(clip, self.sample_rate), store.clips[clip].frames, still)


@dataclass(frozen=True)
class Window:
    """A stretch of speech in samples, and the greater one that is heard for its sake."""

    start: int
    stop: int
    first: int
    last: int


def _windows(samples: int, rate: int, *, causal: bool) -> Iterator[Window]:
    width, context = int(WINDOW * rate), int(CONTEXT * rate)
    after = 0 if causal else context
    start = 0
    while start < samples:
        stop = start + width
        if samples - stop < context:  # a stump would be too short to hear anything in
            stop = samples
        yield Window(start, stop, max(0, start - context), min(samples, stop + after))
        start = stop
