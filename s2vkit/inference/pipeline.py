"""Inference: from speech of any length to frames, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from s2vkit.device import Policy
from s2vkit.errors import InputError
from s2vkit.interfaces.audio_encoder import SpeechStream
from s2vkit.interfaces.audio_windows import at_peak, cut_speech
from s2vkit.interfaces.batch import Conditioning, GeneratorOutput, align, neighbours, speech_steps
from s2vkit.interfaces.inference_graph import InferenceGraph
from s2vkit.interfaces.pixels import to_images
from s2vkit.settings import Alignment

WINDOW = 20.0  # seconds of speech encoded at once
CONTEXT = 2.0  # seconds before a window that are encoded again, and thrown away
CHUNK = 64  # frames generated at once


class InferencePipeline:
    """Encoder, students and generator at work: speech to conditioning, conditioning to frames."""

    def __init__(self, graph: InferenceGraph, alignment: Alignment, policy: Policy) -> None:
        self.graph, self.alignment, self.policy = graph, alignment, policy
        policy.place_all(graph.inference_modules())

    @property
    def sample_rate(self) -> int:
        """Hz of the speech it takes."""
        return self.graph.encoder.sample_rate

    def count_frames(self, samples: int) -> int:
        """Count the frames that last as long as the speech, to within half a frame."""
        return max(1, round(samples / self.sample_rate * self.graph.data_spec.fps))

    @torch.inference_mode()
    def condition(self, speech: np.ndarray, frames: int, image: np.ndarray | None = None) -> Conditioning:
        """Encode (S,) speech: what the generator is conditioned on for a clip of so many frames.

        `image` (H, W, 3) uint8 is the speaker's face, for a generator that needs one.

        Speech longer than a window is encoded piece by piece: by an encoder that streams as if
        at once, else window by window, each with what came before it, where the summary is the
        mean over windows, weighted by their length.
        """
        encoder = self.graph.encoder
        stream = encoder.stream() if len(speech) > WINDOW * self.sample_rate else None
        if stream is not None:
            steps, summary = self._encode_stream(speech, stream)
        else:
            steps, summary = self._encode_windows(speech)
        features = align(
            steps,
            encoder.rate,
            self.graph.data_spec.fps,
            frames,
            mode=self.alignment.mode,
            shift=self.alignment.shift,
        )
        conditioning = self.graph.condition(features, summary)
        device = self.policy.device
        if self.graph.takes_reference_image:
            if image is None:
                raise InputError(
                    "this model animates an image of the speaker, and none is given",
                    hint="give one with `--image FACE.png`",
                )
            conditioning.reference_images = to_images(torch.from_numpy(image)[None].to(device))
        if self.graph.generator is not None and self.graph.generator.audio_samples:
            conditioning.speech = at_peak(torch.from_numpy(np.ascontiguousarray(speech)).to(device))
        return conditioning

    def _encode_stream(self, speech: np.ndarray, stream: SpeechStream) -> tuple[Tensor, Tensor]:
        """Encode pieces as they come: features (1, A, D) and summary (1, E) of the whole."""
        piece = int(WINDOW * self.sample_rate)
        pieces = []
        for start in range(0, len(speech), piece):
            samples = torch.from_numpy(np.ascontiguousarray(speech[start : start + piece]))
            pieces.append(stream.encode(samples[None].to(self.policy.device)))
        rest, summary = stream.finish()
        features = torch.cat([*pieces, rest], 1)
        length = torch.tensor([len(speech)])
        rate = self.graph.encoder.rate
        steps = int(speech_steps(length, self.sample_rate, rate, features.shape[1])[0])
        return features[:, :steps], summary

    def _encode_windows(self, speech: np.ndarray) -> tuple[Tensor, Tensor]:
        pieces, summaries, weights = [], [], []
        for window in _windows(len(speech), self.sample_rate, causal=self.graph.encoder.causal):
            encoded, summary = self._encode_window(speech, window)
            pieces.append(encoded)
            summaries.append(summary * (window.stop - window.start))
            weights.append(window.stop - window.start)
        return torch.cat(pieces, 1), torch.stack(summaries).sum(0) / sum(weights)

    def _encode_window(self, speech: np.ndarray, window: Window) -> tuple[Tensor, Tensor]:
        """Encode one window: the features of its own time (1, A, D), and its summary (1, E)."""
        encoder, device = self.graph.encoder, self.policy.device
        piece = torch.from_numpy(np.ascontiguousarray(speech[window.first : window.last]))
        length = torch.tensor([len(piece)])
        encoded, summary = encoder(piece[None].to(device), length.to(device))
        steps = int(speech_steps(length, self.sample_rate, encoder.rate, encoded.shape[1])[0])
        first, start, stop = (
            int(at * encoder.rate / self.sample_rate) for at in (window.first, window.start, window.stop)
        )
        at = torch.arange(start, max(stop, start + 1), device=device) - first
        return encoded[:, at.clamp(max=steps - 1)], summary

    @torch.inference_mode()
    def generate(self, conditioning: Conditioning) -> Iterator[Tensor]:
        """Generate the frames of one clip, chunk by chunk: (n, 3, H, W) in [-1, 1]."""
        assert self.graph.generator is not None
        frames, state = conditioning.features.shape[1], None
        for start in range(0, frames, CHUNK):
            part = self.segment(conditioning, start, min(start + CHUNK, frames), state)
            output = self.graph.generator(part)
            state = output.state
            yield output.frames[0].float().clamp(-1, 1)

    def segment(self, conditioning: Conditioning, start: int, stop: int, state: Any = None) -> Conditioning:
        """Take frames start to stop of a clip's conditioning, to go on from `state` or anew."""
        generator, features = self.graph.generator, conditioning.features
        assert generator is not None
        radius = generator.context_radius
        context = neighbours(features, radius, start, stop) if radius else None
        part = replace(conditioning, features=features[:, start:stop], context=context, state=state)
        if conditioning.speech is not None:
            first = start - (generator.warmup_frames if state is None else 0)
            times = torch.arange(first, stop, device=features.device)[None, None]
            samples = generator.audio_samples
            fps = self.graph.data_spec.fps
            part.audio_windows = cut_speech(conditioning.speech, self.sample_rate, fps, times, samples)
        return part

    @torch.inference_mode()
    def output(self, conditioning: Conditioning) -> GeneratorOutput:
        """Run the generator once on conditioning of any clips."""
        assert self.graph.generator is not None
        output: GeneratorOutput = self.graph.generator(conditioning)
        return output


@dataclass(frozen=True)
class Window:
    """A stretch of speech in samples, and the greater one that is encoded for its sake."""

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
