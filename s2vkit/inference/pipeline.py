"""Inference: from speech of any length to frames, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from s2vkit.device import Policy
from s2vkit.errors import InputError
from s2vkit.inference.entrance import Entrance, loudness_of, prepare
from s2vkit.inference.recording import PIECE, Recording, in_pieces
from s2vkit.interfaces.audio_encoder import SpeechStream
from s2vkit.interfaces.audio_windows import at_peak, cut_speech
from s2vkit.interfaces.batch import Conditioning, GeneratorOutput, align, neighbours, speech_steps
from s2vkit.interfaces.inference_graph import InferenceGraph
from s2vkit.interfaces.pixels import to_images
from s2vkit.settings import Alignment

if TYPE_CHECKING:
    from s2vkit.speech.level import Loudness

CHUNK = 64  # frames generated at once, at most
_CACHED = 64 * 64 * 64  # pixels of the frames whose maps a processor's cache has room for


class InferencePipeline:
    """Encoder, students and generator at work: speech to conditioning, conditioning to frames."""

    def __init__(self, graph: InferenceGraph, alignment: Alignment, policy: Policy) -> None:
        self.graph, self.alignment, self.policy = graph, alignment, policy
        policy.place_all(graph.inference_modules())

    @property
    def sample_rate(self) -> int:
        """Hz of the speech it takes."""
        return self.graph.encoder.sample_rate

    @property
    def chunk(self) -> int:
        """The number of frames generated at once: on a CPU, so few that its cache holds their maps."""
        fitting = _CACHED // self.graph.data_spec.size**2 if self.policy.device.type == "cpu" else CHUNK
        return max(1, min(CHUNK, fitting))

    def count_frames(self, samples: int, fps: float | None = None) -> int:
        """Count the frames that last as long as the speech, to within half a frame."""
        return max(1, round(samples / self.sample_rate * (fps or self.graph.data_spec.fps)))

    @torch.inference_mode()
    def condition(self, speech: np.ndarray, frames: int, image: np.ndarray | None = None) -> Conditioning:
        """Encode (S,) speech: what the generator is conditioned on for a clip of so many frames.

        `image` (H, W, 3) uint8 is the speaker's face, for a generator that needs one. Speech
        longer than a window is encoded piece by piece: by an encoder that streams as if at
        once, else window by window.
        """
        speech, voice = prepare(self.graph.encoder, speech)
        steps, summary = self._encode(speech)
        if len(voice) < len(speech):
            summary = self._encode(voice)[1]
        features = align(
            steps,
            self.graph.encoder.rate,
            self.graph.data_spec.fps,
            frames,
            mode=self.alignment.mode,
            shift=self.alignment.shift,
        )
        conditioning = self.graph.condition(features, summary)
        conditioning.reference_images = self.reference(image)
        if self.graph.generator is not None and self.graph.generator.audio_samples:
            conditioning.speech = at_peak(self.to_tensor(speech)[0])
        return conditioning

    @torch.inference_mode()
    def codes_of(self, recording: Recording, loudness: Loudness | None = None) -> dict[str, Tensor]:
        """Return the codes (1, dim) that a whole recording has by side, in flat memory."""
        loudness = loudness or self.loudness_of(recording)
        entrance, stream = Entrance(self.graph.encoder, loudness), self.open_stream()
        voice = (entrance.push(block).voice for block in recording)
        # Equal pieces: for each new length, the processor's kernels are prepared and cached anew.
        for piece in in_pieces(voice, int(PIECE * self.sample_rate)):
            stream.encode(self.to_tensor(piece))
        _, summary = stream.finish()
        return {side: student(summary) for side, student in self.graph.students.items()}

    def loudness_of(self, recording: Recording) -> Loudness | None:
        """Measure a whole recording, where the encoder wants speech of one level."""
        return loudness_of(self.graph.encoder, recording)

    def open_stream(self) -> SpeechStream:
        """Begin an utterance that comes in pieces, encoded as if at once where the encoder can."""
        from s2vkit.inference import windows

        return self.graph.encoder.stream() or windows.WindowStream(self.graph.encoder)

    def to_tensor(self, samples: np.ndarray) -> Tensor:
        """Bring samples (S,) to the device: (1, S)."""
        return torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None].to(self.policy.device)

    def reference(self, image: np.ndarray | None) -> Tensor | None:
        """Bring the speaker's picture to the device, where the generator takes one.

        Raises InputError if it is missing.
        """
        if not self.graph.takes_reference_image:
            return None
        if image is None:
            raise InputError(
                "this model animates an image of the speaker, and none is given",
                hint="give one with `--image FACE.png`",
            )
        return to_images(torch.from_numpy(image)[None].to(self.policy.device))

    def _encode(self, speech: np.ndarray) -> tuple[Tensor, Tensor]:
        """Encode an utterance: features (1, A, D) and summary (1, E)."""
        from s2vkit.inference import windows

        piece = int(windows.WINDOW * self.sample_rate)
        if len(speech) <= piece:
            return self._encode_with(windows.WindowStream(self.graph.encoder), speech, max(1, len(speech)))
        return self._encode_with(self.open_stream(), speech, piece)

    def _encode_with(self, stream: SpeechStream, speech: np.ndarray, piece: int) -> tuple[Tensor, Tensor]:
        pieces = [
            stream.encode(self.to_tensor(speech[start : start + piece]))
            for start in range(0, len(speech), piece)
        ]
        rest, summary = stream.finish()
        features = torch.cat([*pieces, rest], 1)
        return features[:, : self.count_steps(len(speech), features.shape[1])], summary

    def count_steps(self, samples: int, steps: int) -> int:
        """Count the feature steps that are speech, of those that the encoder gave."""
        length = torch.tensor([samples])
        return int(speech_steps(length, self.sample_rate, self.graph.encoder.rate, steps)[0])

    @torch.inference_mode()
    def generate(self, conditioning: Conditioning) -> Iterator[Tensor]:
        """Generate the frames of one clip, chunk by chunk: (n, 3, H, W) in [-1, 1]."""
        frames, chunk, state = conditioning.features.shape[1], self.chunk, None
        for start in range(0, frames, chunk):
            output = self.output(self.segment(conditioning, start, min(start + chunk, frames), state))
            state = output.state
            yield output.frames[0].float().clamp(-1, 1)

    def segment(self, conditioning: Conditioning, start: int, stop: int, state: Any = None) -> Conditioning:
        """Take frames start to stop of a clip's conditioning, to go on from `state` or anew."""
        generator, features = self.graph.generator, conditioning.features
        assert generator is not None
        radius = generator.context_radius
        context = neighbours(features, radius, start, stop) if radius else None
        part = replace(conditioning, features=features[:, start:stop], context=context, state=state)
        part.times = torch.arange(start, stop, device=features.device)[None]
        if conditioning.speech is not None:
            fps = self.graph.data_spec.fps
            part.audio_windows = self.windows_of(conditioning.speech, start, stop, fps, state)
        return part

    def windows_of(
        self, speech: Tensor, start: int, stop: int, fps: float, state: Any, first: int = 0
    ) -> Tensor:
        """Cut the raw speech (1, 1, V, S) of frames; a generator that begins anew takes some before."""
        generator = self.graph.generator
        assert generator is not None
        begin = start - (generator.warmup_frames if state is None else 0)
        times = torch.arange(begin, stop, device=speech.device)[None, None]
        return cut_speech(speech, self.sample_rate, fps, times, generator.audio_samples, first=first)

    @torch.inference_mode()
    def output(self, conditioning: Conditioning) -> GeneratorOutput:
        """Run the generator once on conditioning of any clips."""
        assert self.graph.generator is not None
        with self.policy.autocast():
            output: GeneratorOutput = self.graph.generator(conditioning)
        return output
