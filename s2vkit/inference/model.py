"""A trained model for use from Python: speech in, frames of a talking face out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from s2vkit.device import Policy, choose
from s2vkit.errors import InputError
from s2vkit.inference.bundle import Bundle, load_bundle
from s2vkit.inference.frame_stream import FrameStream, Scene, needs_speech
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.inference.recording import Recording, SampledRecording
from s2vkit.interfaces.pixels import to_uint8
from s2vkit.registry import Registry
from s2vkit.settings import Compute

if TYPE_CHECKING:
    from typing import Unpack

    from s2vkit.inference.control import Control
    from s2vkit.inference.live import LiveStream
    from s2vkit.inference.steering import Steering
    from s2vkit.inference.video import Video
    from s2vkit.marking.marker import Marker


class TalkingFaceModel:
    """A trained model on its device, ready to generate. Made by `s2vkit.load`.

    It changes nothing of itself while it generates, so threads may share one.
    """

    def __init__(self, bundle: Bundle, policy: Policy) -> None:
        self.path, self.codes = bundle.folder, bundle.codes
        self.pipeline = InferencePipeline(bundle.graph, bundle.config.alignment, policy)
        self.sample_rate: int = self.pipeline.sample_rate  # Hz of the speech it encodes
        self.fps: float = bundle.config.data.fps  # frames a second
        self.size: int = bundle.config.data.size  # height and width of the frames

    @property
    def needs_image(self) -> bool:
        """Return whether it animates an image of the speaker's face, which then must be given."""
        return self.pipeline.graph.takes_reference_image

    @property
    def voices(self) -> tuple[str, ...]:
        """The people whose faces it has learnt, and who can be asked for as `identity`."""
        return tuple(self.codes.get("identity", ()))

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that can be asked for as `emotion`."""
        return tuple(self.codes.get("emotion", ()))

    def generate(
        self,
        speech: np.ndarray,
        sample_rate: int,
        *,
        image: np.ndarray | None = None,
        fps: float | None = None,
        **control: Unpack[Control],
    ) -> Video:
        """Generate a video of speech (S,) in [-1, 1] at any sample rate.

        Who speaks and in what mood is heard in the speech, unless it is asked for: `identity` and
        `emotion` take a label, a label with a strength ("happiness=0.7") or strengths by label;
        a strength counts from neutral, where the model knows it, else from what is heard.
        `identity_from` and `emotion_from` take other speech at the same rate; `track` changes
        over time. `image` is uint8 (size, size, 3), for a model that animates one.

        Raises InputError if the speech is no row of finite samples, or where something is
        asked for that the model does not have.
        """
        from s2vkit.inference.video import Video  # wants FFmpeg, which the rest does not

        frames = list(self.chunks(speech, sample_rate, image=image, fps=fps, **control))
        return Video(
            np.concatenate(frames), fps or self.fps, np.asarray(speech, np.float32), sample_rate, self.path
        )

    def generate_batch(
        self, speeches: Sequence[np.ndarray], sample_rate: int, **control: Unpack[Control]
    ) -> list[Video]:
        """Generate a video of each of several recordings, all under the same control."""
        steering = self.steer(sample_rate, **control)
        samples = [self.to_samples(speech, sample_rate) for speech in speeches]
        from s2vkit.inference.batching import generate_together
        from s2vkit.inference.video import Video

        made = generate_together(self.pipeline, samples, steering)
        return [
            Video(to_uint8(frames), self.fps, np.asarray(speech, np.float32), sample_rate, self.path)
            for frames, speech in zip(made, speeches, strict=True)
        ]

    def chunks(
        self,
        speech: np.ndarray,
        sample_rate: int,
        *,
        image: np.ndarray | None = None,
        fps: float | None = None,
        **control: Unpack[Control],
    ) -> Iterator[np.ndarray]:
        """Generate the frames of `generate` a few at a time: uint8 (n, size, size, 3)."""
        samples = self.to_samples(speech, sample_rate)
        recording = SampledRecording(samples, self.sample_rate)
        yield from self.film(recording, self.steer(sample_rate, **control), image=image, fps=fps)

    def stream(self, sample_rate: int, **control: Unpack[Control]) -> LiveStream:
        """Begin an utterance of unknown length: a context manager whose `push` takes samples.

        The frames are those of the whole recording if identity and emotion are asked for, else
        they settle as speech comes. Raises InputError if the model cannot go live.
        """
        return self.stream_of(sample_rate, self.steer(sample_rate, **control))

    def stream_of(self, sample_rate: int, steering: Mapping[str, Steering]) -> LiveStream:
        """Begin an utterance under steering; see `stream`."""
        from s2vkit.inference.live import LiveStream  # wants FFmpeg, which the rest does not

        return LiveStream(self.pipeline, sample_rate, steering)

    def steer(self, sample_rate: int, **control: Unpack[Control]) -> dict[str, Steering]:
        """Turn control into steering by side; speech in it is at `sample_rate`. Raises InputError."""
        from s2vkit.inference.control import steering_of  # loading a model needs none of it

        def heard(speech: np.ndarray) -> Mapping[str, Tensor]:
            return self.pipeline.codes_of(
                SampledRecording(self.to_samples(speech, sample_rate), self.sample_rate)
            )

        return steering_of(control, self.codes, list(self.pipeline.graph.students), heard, self.see)

    def see(self, face: np.ndarray) -> Tensor:
        """Return the identity code (dim,) of a face, by the run's teacher. Raises RunFolderError."""
        from s2vkit.inference.faces import identity_code

        return identity_code(self.path, face, self.size, self.pipeline.policy.device)

    def film(
        self,
        recording: Recording,
        steering: Mapping[str, Steering],
        *,
        image: np.ndarray | None = None,
        fps: float | None = None,
    ) -> Iterator[np.ndarray]:
        """Generate the frames of a recording in flat memory, a few at a time."""
        self.check_image(image)
        graph = self.pipeline.graph
        loudness = self.pipeline.loudness_of(recording)
        wanted = needs_speech(graph.students, steering)
        heard = self.pipeline.codes_of(recording, loudness) if wanted else {}
        peak = recording.peak() if graph.generator is not None and graph.generator.audio_samples else None
        stream = FrameStream(self.pipeline, Scene(steering, heard, loudness, image, peak, fps))
        for block in recording:
            yield from map(to_uint8, stream.push(block))
        yield from map(to_uint8, stream.finish())

    def marker(self) -> Marker:
        """Return the marker of its videos: `marker.mark(frames, first, fps)` watermarks a live stream."""
        from s2vkit.inference.marking import marker_of

        return marker_of(self.path)

    def to_samples(self, speech: np.ndarray, sample_rate: int) -> np.ndarray:
        """Check speech (S,) and bring it to the model's sample rate. Raises InputError."""
        samples = np.asarray(speech, np.float32)
        if samples.ndim != 1 or not len(samples) or not np.isfinite(samples).all():
            raise InputError(f"speech {samples.shape} is not one row of finite samples")
        if sample_rate == self.sample_rate:
            return samples
        from s2vkit.media.resample import resample  # wants FFmpeg, which the rest does not

        return resample(samples, sample_rate, self.sample_rate)

    def check_image(self, image: np.ndarray | None) -> None:
        """Raise InputError if an image is given that is not needed, or has another shape."""
        if image is None:
            return  # the pipeline says so where one is needed
        if not self.needs_image:
            raise InputError("this model needs speech alone, and an image is given", hint="leave it out")
        wanted = (self.size, self.size, 3)
        if image.dtype != np.uint8 or image.shape != wanted:
            raise InputError(f"the image is {image.dtype} {image.shape}, not uint8 {wanted}")


def load_model(
    path: str | Path, *, device: str = "auto", precision: str = "fp32", registry: Registry | None = None
) -> TalkingFaceModel:
    """Load the model of a run folder or a bundle; see `s2vkit.load`."""
    bundle = load_bundle(Path(path), registry)
    threads = torch.get_num_threads()  # the caller's choice stays
    return TalkingFaceModel(bundle, choose(_compute(device, precision, threads)))


def _compute(device: str, precision: str, threads: int) -> Compute:
    """Check a caller's choice. Raises InputError."""
    try:
        return Compute.model_validate({"device": device, "precision": precision, "threads": threads})
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InputError(f"cannot compute so: {said}") from error
