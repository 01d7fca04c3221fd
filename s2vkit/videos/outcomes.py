"""From a pair of videos to what metrics compare: cut, aligned and cropped by the protocol."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s2vkit.data.preparation.cut import Cut, Cuttings, Rejected, cut_source
from s2vkit.interfaces.dataset import Source
from s2vkit.interfaces.face_detector import FaceDetector
from s2vkit.interfaces.landmarks import Landmarks
from s2vkit.interfaces.metric import Outcome
from s2vkit.interfaces.pixels import to_images
from s2vkit.media import VideoWriter, probe, read_frames
from s2vkit.media.containers import MP4, SAME_BYTES, Container
from s2vkit.videos.networks import NONE, Networks
from s2vkit.videos.offset import ALIKE, offset_of
from s2vkit.videos.pairs import Pair
from s2vkit.videos.protocol import Protocol

_FEW = 4  # frames turned into images at once: they fit a core's cache


@dataclass(frozen=True)
class Prepared:
    """One pair, cut and aligned: the clips to measure, and what was found on the way."""

    outcomes: list[Outcome]
    offset: float | None  # s by which the video lags behind the real one; None: there is none
    correlation: float | None  # of the two sounds there
    codecs: Mapping[str, str]  # of the video and of the real one
    notes: list[str] = field(default_factory=list)


@dataclass
class Preparer:
    """Brings pairs of videos to outcomes, each by the same protocol."""

    protocol: Protocol
    detector: FaceDetector
    landmarks: Landmarks | None = None
    networks: Networks = NONE

    @cached_property
    def _container(self) -> Container:
        pictures = {"crf": str(self.protocol.crf), **SAME_BYTES}
        return Container("mp4", "libx264", "aac", pictures, MP4.options)

    def prepare(self, pair: Pair) -> Prepared:
        """Cut a video and the real one, and align them. Raises Rejected, with the reason, or InputError."""
        own = self._cut(pair.video, pair.sound, pair.real)
        codecs = {"generated": codec_of(pair.video)}
        if pair.real is None:
            clips = [self._outcome(clip, None, 0, len(clip.frames), 0) for clip in own.clips]
            return Prepared(_named(clips, pair), None, None, codecs, own.notes)
        real = self._cut(pair.real, None, pair.sound or pair.video)
        codecs["real"] = codec_of(pair.real)
        offset, correlation, notes = self._align(own.clips[0], real.clips[0])
        outcomes = list(self._overlaps(own.clips, real.clips, round(offset * self.protocol.fps)))
        if not outcomes:
            raise Rejected("too_short", f"no {self.protocol.shortest:g} s of it lie beside the real video")
        notes = [*own.notes, *(f"real video: {note}" for note in real.notes), *notes]
        return Prepared(_named(outcomes, pair), offset, correlation, codecs, notes)

    def _cut(self, video: Path, sound: Path | None, spare: Path | None) -> Cuttings:
        source = Source(video.stem, video, {}, "test", sound, spare=spare)
        return cut_source(source, self.protocol.cutting(), self.detector)

    def _align(self, own: Cut, real: Cut) -> tuple[float, float, list[str]]:
        """Find the lag of a video behind the real one by their sounds; 0 where those differ."""
        rate, begins = self.protocol.sample_rate, own.start - real.start
        found = offset_of(own.speech, real.speech, rate, self.protocol.align_within + abs(begins))
        if found.correlation >= ALIKE:
            return found.seconds + begins, found.correlation, []
        why = (
            f"its sound is not the real one's (correlation {found.correlation:.2f}): taken to start together"
        )
        return 0.0, found.correlation, [why]

    def _overlaps(self, own: list[Cut], real: list[Cut], offset: int) -> Iterator[Outcome]:
        """Give what clips of a video and of the real one share in time; `offset` is in frames."""
        fps, shortest = self.protocol.fps, round(self.protocol.shortest * self.protocol.fps)
        for clip in own:
            at = round(clip.start * fps)
            for other in real:
                real_at = round(other.start * fps) + offset
                first = max(at, real_at)
                end = min(at + len(clip.frames), real_at + len(other.frames))
                if end - first >= shortest:
                    yield self._outcome(clip, other, first - at, end - at, first - real_at)

    def _outcome(self, clip: Cut, real: Cut | None, first: int, end: int, real_first: int) -> Outcome:
        """Make an outcome of the frames [first, end) of a clip, beside real ones from `real_first` on."""
        size, samples = self.protocol.size, self.protocol.sample_rate / self.protocol.fps
        outcome = Outcome(
            "",
            self._pictures(clip.frames[first:end]),
            torch.zeros(0, 3, size, size),
            speech=torch.from_numpy(clip.speech[round(first * samples) : round(end * samples)]),
            sample_rate=self.protocol.sample_rate,
            fps=self.protocol.fps,
            evaluators=dict(self.networks.evaluators),
            sync_evaluator=self.networks.sync_evaluator,
            landmarks=self.landmarks,
            crops={"generated": clip.transforms[first:end]},
            start=clip.start + first / self.protocol.fps,
        )
        if real is not None:
            shown = slice(real_first, real_first + end - first)
            outcome.real = self._pictures(real.frames[shown])
            outcome.crops["real"] = real.transforms[shown]
        return outcome

    def _pictures(self, frames: np.ndarray) -> torch.Tensor:
        """Make images of frames, by way of H.264 where the protocol says so."""
        if self.protocol.codec == "h264":
            with tempfile.TemporaryDirectory() as folder:
                path, size = Path(folder) / "face.mp4", (self.protocol.size, self.protocol.size)
                with VideoWriter(path, size, self.protocol.fps, container=self._container) as writer:
                    writer.write(frames)
                frames = read_frames(path)[0][: len(frames), : size[1], : size[0]]
        pixels = torch.from_numpy(np.ascontiguousarray(frames))
        images = torch.empty(len(pixels), 3, *pixels.shape[1:3])  # plane by plane, as metrics read them
        for part, out in zip(pixels.split(_FEW), images.split(_FEW), strict=True):
            out.copy_(to_images(part))
        return images


def _named(outcomes: list[Outcome], pair: Pair) -> list[Outcome]:
    """Name the clips of a pair, and give them its labels."""
    for number, outcome in enumerate(outcomes):
        outcome.name = pair.name if len(outcomes) == 1 else f"{pair.name}-{number:03d}"
        outcome.labels = dict(pair.labels)
        outcome.video = pair.name
    return outcomes


def codec_of(path: Path) -> str:
    """Name the codec of a file's pictures."""
    streams: list[dict[str, Any]] = probe(path)["streams"]
    found = [
        stream.get("codec") for stream in streams if stream["type"] == "video" and not stream.get("cover")
    ]
    return str(found[0]) if found else "none"
