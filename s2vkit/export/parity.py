"""Whether an exported model draws what the model itself draws, whole and in pieces, and how fast."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from s2vkit.inference.frame_stream import FrameStream, Scene
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.inference.recording import SampledRecording
from s2vkit.inference.speed import made_up_speech

SECONDS = 4.0  # of made-up speech that is drawn
LARGEST = 1e-4  # difference of a frame, in [-1, 1], that is allowed in fp32, and in pieces always
LEAST_PSNR = 40.0  # dB that rounded weights must keep: less than a grey level of 256 on average
_GREY = 128


@dataclass(frozen=True)
class Parity:
    """How an exported model compares with the model itself, on one thread."""

    frames: float  # largest difference from the model's frames, in [-1, 1]
    psnr: float  # dB, of all its frames
    pieces: float  # largest difference between its frames in pieces and of the whole
    speed: float  # frames a second
    eager_speed: float  # of the model itself

    def holds(self, precision: str) -> bool:
        """Say whether it may be used in the place of the model."""
        close = self.frames <= LARGEST if precision == "fp32" else self.psnr >= LEAST_PSNR
        return close and self.pieces <= LARGEST


def compare(eager: InferencePipeline, exported: InferencePipeline) -> Parity:
    """Draw the same speech with both."""
    speech = made_up_speech(SECONDS, eager.sample_rate)
    whole = [len(speech)]
    wanted, _ = _draw(eager, speech, whole)
    _, eager_seconds = _draw(eager, speech, whole)
    found, _ = _draw(exported, speech, whole)
    _, seconds = _draw(exported, speech, whole)
    in_pieces, _ = _draw(exported, speech, _uneven(len(speech)))
    error = float((found - wanted).square().mean())
    return Parity(
        float((found - wanted).abs().max()),
        10 * math.log10(4 / error) if error else math.inf,
        float((in_pieces - found).abs().max()),
        len(found) / seconds,
        len(wanted) / eager_seconds,
    )


def _uneven(samples: int) -> list[int]:
    """Cut speech into pieces of 1 to 2,000 samples."""
    lengths = np.random.default_rng(0).integers(1, 2000, samples // 500)
    return [int(length) for length in lengths]


def _draw(pipeline: InferencePipeline, speech: np.ndarray, lengths: list[int]) -> tuple[Tensor, float]:
    """Draw speech in pieces of these lengths and the rest: (V, 3, H, W), and the seconds it took."""
    begun = time.perf_counter()
    size = pipeline.graph.data_spec.size
    image = np.full((size, size, 3), _GREY, np.uint8) if pipeline.graph.takes_reference_image else None
    recording = SampledRecording(speech, pipeline.sample_rate)
    loudness = pipeline.loudness_of(recording)
    heard = pipeline.codes_of(recording, loudness)
    stream = FrameStream(pipeline, Scene({}, heard, loudness, image))
    pieces = np.split(speech, np.cumsum(lengths).clip(max=len(speech)))
    frames = [part for piece in pieces for part in stream.push(piece)]
    drawn = torch.cat([*frames, *stream.finish()])
    return drawn, time.perf_counter() - begun
