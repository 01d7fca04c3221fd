"""A trained model for use from Python: speech in, frames of a talking face out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from s2vkit.device import Policy, choose
from s2vkit.errors import InputError
from s2vkit.inference.bundle import Bundle, load_bundle
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.pixels import to_uint8
from s2vkit.registry import Registry
from s2vkit.settings import Compute


class TalkingFaceModel:
    """A trained model on its device, ready to generate. Made by `s2vkit.load`."""

    def __init__(self, bundle: Bundle, policy: Policy) -> None:
        self.path = bundle.folder
        self.pipeline = InferencePipeline(bundle.graph, bundle.config.alignment, policy)
        self.sample_rate: int = self.pipeline.sample_rate  # Hz of the speech it encodes
        self.fps: float = bundle.config.data.fps  # frames a second
        self.size: int = bundle.config.data.size  # height and width of the frames

    @property
    def needs_image(self) -> bool:
        """Return whether it animates an image of the speaker's face, which then must be given."""
        return self.pipeline.graph.takes_reference_image

    def generate(
        self, speech: np.ndarray, sample_rate: int, *, image: np.ndarray | None = None
    ) -> np.ndarray:
        """Make the frames of speech (S,) in [-1, 1] at any rate: uint8 (V, size, size, 3).

        `image` is uint8 (size, size, 3), for a model that needs one. Raises InputError if
        the speech is no row of finite samples, or where the image is missing or not needed.
        """
        return np.concatenate(list(self.chunks(speech, sample_rate, image=image)))

    def chunks(
        self, speech: np.ndarray, sample_rate: int, *, image: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Make the frames of `generate` a few at a time, in flat memory."""
        samples = self._samples(speech, sample_rate)
        self._check_image(image)
        frames = self.pipeline.count_frames(len(samples))
        for chunk in self.pipeline.generate(self.pipeline.condition(samples, frames, image)):
            yield to_uint8(chunk)

    def _samples(self, speech: np.ndarray, sample_rate: int) -> np.ndarray:
        samples = np.asarray(speech, np.float32)
        if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
            raise InputError(f"speech {samples.shape} is not one row of finite samples")
        if sample_rate == self.sample_rate:
            return samples
        from s2vkit.media.resample import resample  # wants FFmpeg, which the rest does not

        return resample(samples, sample_rate, self.sample_rate)

    def _check_image(self, image: np.ndarray | None) -> None:
        if image is None:
            return  # the pipeline says so where one is needed
        if not self.needs_image:
            raise InputError("this model needs speech alone, and an image is given", hint="leave it out")
        wanted = (self.size, self.size, 3)
        if image.dtype != np.uint8 or image.shape != wanted:
            raise InputError(f"the image is {image.dtype} {image.shape}, not uint8 {wanted}")


def load_model(
    path: str | Path, *, device: str = "auto", registry: Registry | None = None
) -> TalkingFaceModel:
    """Load the model of a run folder or a bundle; see `s2vkit.load`."""
    bundle = load_bundle(Path(path), registry)
    threads = torch.get_num_threads()  # the caller's choice stays
    return TalkingFaceModel(bundle, choose(Compute(device=device, precision="fp32", threads=threads)))
