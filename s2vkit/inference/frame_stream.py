"""Frames of speech that comes in pieces, each as soon as the speech it shows has come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from s2vkit.errors import InputError
from s2vkit.inference.entrance import Entrance, Prepared
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.batch import Conditioning, align, neighbours

if TYPE_CHECKING:
    from s2vkit.speech.level import Loudness

if TYPE_CHECKING:
    from s2vkit.inference.steering import Steering


@dataclass(frozen=True)
class Scene:
    """What frames are made from beside the speech."""

    steering: Mapping[str, Steering] = field(default_factory=dict)  # by side
    heard: Mapping[str, Tensor] | None = None  # side -> (1, dim) codes of the whole; None: as they settle
    loudness: Loudness | None = None  # of the whole speech; None: as it comes
    image: np.ndarray | None = None  # (size, size, 3) uint8, where the generator takes one
    peak: float | None = None  # of the whole speech, where the generator takes raw speech
    fps: float | None = None  # the model's own if None


class FrameStream:
    """Turns one utterance, pushed in pieces of any length, into frames (n, 3, H, W) in [-1, 1].

    They are those of the whole at once as long as the codes are known from the start; else the
    codes settle as speech comes. Memory does not grow. With `chunk` 1 a frame is made as soon
    as it can be; a greater one, the pipeline's own by default, waits until so many are due.
    """

    def __init__(self, pipeline: InferencePipeline, scene: Scene, *, chunk: int | None = None) -> None:
        generator = pipeline.graph.generator
        assert generator is not None
        self.pipeline, self.scene, self.generator = pipeline, scene, generator
        self.most = pipeline.chunk
        self.chunk = chunk or self.most
        self.fps = scene.fps or pipeline.graph.data_spec.fps
        self.frames = self.samples = 0  # given and taken so far
        self._check()
        device = pipeline.policy.device
        self._steering = {side: one.to(device) for side, one in scene.steering.items()}
        self._reference = pipeline.reference(scene.image)
        encoder = pipeline.graph.encoder
        self._entrance, self._stream = Entrance(encoder, scene.loudness), pipeline.open_stream()
        self._voice = pipeline.open_stream()  # the same without its pauses: what is summarized
        self._spoke = False
        self._steps, self._first_step = torch.zeros(1, 0, pipeline.graph.encoder.dim, device=device), 0
        self._aligned, self._first_frame = self._steps, 0
        self._speech, self._first_sample = torch.zeros(0, device=device), 0
        self._state: Any = None
        self._ended = False

    @torch.inference_mode()
    def push(self, samples: np.ndarray) -> Iterator[Tensor]:
        """Take in float32 samples (S,) at the model's rate: the frames that are due with them."""
        self._take(self._entrance.push(samples))
        return self._due(self.chunk)

    @torch.inference_mode()
    def finish(self) -> Iterator[Tensor]:
        """End the utterance: the frames that are left."""
        rest, _ = self._stream.finish()
        self._ended = True
        steps = torch.cat([self._steps, rest], 1)
        total = self.pipeline.count_steps(self.samples, self._first_step + steps.shape[1])
        self._steps = steps[:, : max(1, total - self._first_step)]
        self._align()
        return self._due(1)

    def _take(self, prepared: Prepared) -> None:
        if not len(prepared.speech):
            return
        speech = self.pipeline.to_tensor(prepared.speech)
        self.samples += len(prepared.speech)
        self._summarize(prepared.voice)
        self._steps = torch.cat([self._steps, self._stream.encode(speech)], 1)
        if self.generator.audio_samples:
            self._speech = torch.cat([self._speech, speech[0] / (self.scene.peak or 1.0)])
        self._align()

    def _summarize(self, voice: np.ndarray) -> None:
        """Encode the voice for the codes that settle as speech comes."""
        if len(voice) and self._settles:
            self._spoke |= self._voice.encode(self.pipeline.to_tensor(voice)).shape[1] > 0

    def _align(self) -> None:
        """Lay the steps on the frames whose every step has come; steps done with are dropped."""
        done = self._first_frame + self._aligned.shape[1]
        stop = self._count(done)
        if stop == done:
            return
        alignment, rate = self.pipeline.alignment, self.pipeline.graph.encoder.rate
        mode, shift = alignment.mode, alignment.shift
        place = {"mode": mode, "shift": shift, "start": done, "first": self._first_step}
        new = align(self._steps, rate, self.fps, stop - done, **place)  # type: ignore[arg-type]
        self._aligned = torch.cat([self._aligned, new], 1)
        drop = int((stop / self.fps + shift) * rate) - 2 - self._first_step
        drop = min(max(0, drop), self._steps.shape[1] - 1)  # the last one stands for what comes after
        self._steps, self._first_step = self._steps[:, drop:], self._first_step + drop

    def _count(self, done: int) -> int:
        """Count the frames, from the first, that can be aligned by now."""
        most = self.pipeline.count_frames(self.samples, self.fps)
        if self._ended:
            return most
        alignment = self.pipeline.alignment
        steps = self._first_step + self._steps.shape[1] - 0.5
        seconds = steps / self.pipeline.graph.encoder.rate - alignment.shift
        # `mean` asks for the steps up to a frame's end, `linear` for the one after its middle.
        count = seconds * self.fps + (0.5 if alignment.mode == "linear" else 0.0)
        return max(done, min(most, int(count - 1e-6)))

    def _due(self, least: int) -> Iterator[Tensor]:
        """Generate chunk by chunk what can be, as soon as `least` frames are due."""
        while (count := self._ready() - self.frames) >= least and count:
            stop = self.frames + min(count, self.most)
            yield self._draw(stop)

    def _ready(self) -> int:
        """Count the frames, from the first, that can be generated by now."""
        aligned = self._first_frame + self._aligned.shape[1]
        if self._ended:
            return aligned
        half = self.generator.audio_samples / 2
        if half:
            seconds = (self.samples - half - 1) / self.pipeline.sample_rate
            return max(self.frames, min(aligned, int(seconds * self.fps - 0.5)))
        return max(self.frames, aligned - self.generator.context_radius)

    @torch.inference_mode()
    def _draw(self, stop: int) -> Tensor:
        start, shift = self.frames, self._first_frame
        radius = self.generator.context_radius
        part = Conditioning(
            self._aligned[:, start - shift : stop - shift],
            self._codes(start, stop),
            neighbours(self._aligned, radius, start - shift, stop - shift) if radius else None,
            self._reference,
            state=self._state,
            times=torch.arange(start, stop, device=self._aligned.device)[None],
        )
        if self.generator.audio_samples:
            part.audio_windows = self.pipeline.windows_of(
                self._speech, start, stop, self.fps, self._state, self._first_sample
            )
        output = self.pipeline.output(_by_frame(part, stop - start))
        self._state, self.frames = output.state, stop
        self._forget(stop)
        return output.frames.flatten(0, 1).float().clamp(-1, 1)

    def _codes(self, start: int, stop: int) -> dict[str, Tensor]:
        times = (torch.arange(start, stop, dtype=torch.float64) + 0.5) / self.fps
        heard = self._heard()
        codes = dict(heard or {})
        codes.update({side: s.code(codes.get(side), times) for side, s in self._steering.items()})
        return codes

    def _heard(self) -> Mapping[str, Tensor] | None:
        """Return the codes of the speech: of the whole where they are known, else of what has come."""
        students = self.pipeline.graph.students
        if not self._settles:
            return self.scene.heard
        summary = (self._voice if self._spoke else self._stream).summary()
        return {side: student(summary) for side, student in students.items()}

    @property
    def _settles(self) -> bool:
        """Whether any code follows the speech so far."""
        return self.scene.heard is None and needs_speech(self.pipeline.graph.students, self.scene.steering)

    def _forget(self, stop: int) -> None:
        """Drop what no later frame needs."""
        drop = max(0, stop - self.generator.context_radius - self._first_frame)
        drop = min(drop, self._aligned.shape[1])
        self._aligned, self._first_frame = self._aligned[:, drop:], self._first_frame + drop
        keep = int(stop / self.fps * self.pipeline.sample_rate) - self.generator.audio_samples
        if self.generator.audio_samples and keep > self._first_sample:
            self._speech, self._first_sample = self._speech[keep - self._first_sample :], keep

    def _check(self) -> None:
        """Raise InputError if the generator cannot do what is asked."""
        remembers = self.generator.audio_samples or self.generator.warmup_frames
        if not remembers:
            return
        if self.scene.peak is None:
            raise InputError(
                "this model needs the whole recording before its first frame, so it cannot go live"
            )
        if self.scene.fps not in (None, self.pipeline.graph.data_spec.fps):
            raise InputError("this model remembers from frame to frame, so its frame rate cannot be changed")


def needs_speech(sides: Mapping[str, Any], steering: Mapping[str, Steering]) -> bool:
    """Whether any side takes its code from the speech, in part at least."""
    return any(side not in steering or steering[side].needs_speech for side in sides)


def _by_frame(part: Conditioning, frames: int) -> Conditioning:
    """Turn a clip whose codes change over time into as many clips of one frame each."""
    if all(len(code) == 1 for code in part.codes.values()):
        return part
    return Conditioning(
        part.features[0][:, None],
        {side: code.expand(frames, -1) for side, code in part.codes.items()},
        None if part.context is None else part.context[0][:, None],
        None if part.reference_images is None else part.reference_images.expand(frames, -1, -1, -1),
        times=None if part.times is None else part.times.T,
    )
