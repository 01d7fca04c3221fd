"""The cache of the outputs of frozen networks: computed once, read by every step.

Speech features at the frames' times, summaries, teachers' vectors and the identity teacher's
maps are each one flat array in a folder that its maker names by what they depend on. What is
large (features, segments, maps) is kept as float16; summaries and vectors, which losses
compare and which are small, as float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch

from s2vkit.data.array_writers import ArrayWriter
from s2vkit.data.store import Index, Record
from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.interfaces.batch import align, speech_steps
from s2vkit.interfaces.fields.clips import pad_speech
from s2vkit.interfaces.pixels import to_images
from s2vkit.interfaces.teacher import Teacher

Progress = Callable[[int, int], None]


class ClipReader(Protocol):
    """What is read of a corpus: of a whole `ClipStore`, or of the clips of one batch."""

    index: Index

    @property
    def clips(self) -> list[Record]:
        """The clips, in order; each says where its frames begin among those of all."""
        ...

    def speech(self, clip: int, rate: int | None = None) -> np.ndarray:
        """Return the speech of a clip (S,) at `rate` Hz."""
        ...

    def frames(self, clip: int, at: np.ndarray) -> np.ndarray:
        """Return frames of a clip: (V, H, W, 3) uint8."""
        ...


@torch.inference_mode()
def encode_speech(
    store: ClipReader,
    encoder: AudioEncoder,
    out: ArrayWriter,
    *,
    device: torch.device,
    mode: str,
    shift: float,
    progress: Progress,
    batch: int = 16,
) -> None:
    """Encode the speech of every clip: `features` (all frames, D) at frame times and `summary` (clips, E)."""
    frames = sum(clip.frames for clip in store.clips)
    features = out.halves("features", (frames, encoder.dim))
    summaries = out.floats("summary", (len(store.clips), encoder.summary_dim))
    by_length = sorted(range(len(store.clips)), key=lambda i: store.clips[i].samples)
    done = 0
    for clips in _chunks(by_length, batch):
        speech, lengths = pad_speech([store.speech(i, encoder.sample_rate) for i in clips])
        steps_of_clips, summary = encoder(speech.to(device), lengths.to(device))
        counts = speech_steps(lengths, encoder.sample_rate, encoder.rate, steps_of_clips.shape[1])
        for row, i in enumerate(clips):
            record = store.clips[i]
            aligned = align(
                steps_of_clips[row : row + 1, : int(counts[row])],
                encoder.rate,
                store.index.fps,
                record.frames,
                mode=mode,
                shift=shift,
            )
            features[record.frame : record.frame + record.frames] = aligned[0].float().cpu().numpy()
            summaries[i] = summary[row].float().cpu()
        done += len(clips)
        progress(done, len(store.clips))
    out.flush()


@torch.inference_mode()
def encode_segments(
    store: ClipReader,
    encoder: AudioEncoder,
    out: ArrayWriter,
    *,
    device: torch.device,
    picks: np.ndarray,
    progress: Progress,
) -> None:
    """Encode `segments` (clips, segments, E): summaries of segments of each training clip.

    `picks` are those of `pick_segments`. They let students learn from more than one summary a clip.
    """
    segment_summaries = out.halves("segments", (*picks.shape[:2], encoder.summary_dim))
    clips = [i for i, clip in enumerate(store.clips) if clip.split == "train"]
    for done, i in enumerate(clips, 1):
        speech = store.speech(i, encoder.sample_rate)
        pieces = [_segment(speech, *pick) for pick in picks[i].tolist()]
        padded, lengths = pad_speech(pieces)
        segment_summaries[i] = encoder(padded.to(device), lengths.to(device))[1].float().cpu().numpy()
        progress(done, len(clips))
    out.flush()


def pick_segments(store: ClipReader, segments: int, generator: torch.Generator) -> np.ndarray:
    """Pick random segments of each training clip: (clips, segments, 2), two parts of 1 that say where."""
    picks = np.zeros((len(store.clips), segments, 2))
    for i, clip in enumerate(store.clips):
        if clip.split == "train":
            picks[i] = [torch.rand(2, generator=generator).tolist() for _ in range(segments)]
    return picks


def _segment(speech: np.ndarray, share: float, place: float) -> np.ndarray:
    """Cut out between a third and nine tenths of a clip."""
    length = max(1, int(len(speech) * (0.33 + 0.57 * share)))
    start = int((len(speech) - length) * place)
    return speech[start : start + length]


@torch.inference_mode()
def encode_faces(
    store: ClipReader,
    teacher: Teacher,
    out: ArrayWriter,
    *,
    device: torch.device,
    picks: np.ndarray,
    progress: Progress,
    batch: int = 64,
) -> None:
    """Embed the faces of every clip by a teacher: `targets` (clips, frames, dim) of the frames picked."""
    clips, frames_per_clip = picks.shape
    targets = out.floats("targets", (clips, frames_per_clip, teacher.dim))
    for part in _chunks(list(range(clips)), max(1, batch // frames_per_clip)):
        frames = np.concatenate([store.frames(i, picks[i]) for i in part])
        images = to_images(torch.from_numpy(frames).to(device))
        targets[part] = teacher(images).float().cpu().view(len(part), frames_per_clip, -1).numpy()
        progress(part[-1] + 1, clips)
    out.flush()


@torch.inference_mode()
def encode_maps(
    store: ClipReader,
    teacher: Teacher,
    out: ArrayWriter,
    *,
    device: torch.device,
    progress: Progress,
    batch: int = 64,
) -> None:
    """Compute a teacher's maps of the first frame of every clip: `maps0` and so on."""
    clips = len(store.clips)
    arrays = [out.halves(f"maps{i}", (clips, *shape)) for i, shape in enumerate(teacher.map_shapes)]
    for part in _chunks(list(range(clips)), batch):
        frames = np.concatenate([store.frames(i, np.zeros(1, int)) for i in part])
        images = to_images(torch.from_numpy(frames).to(device))
        for array, maps in zip(arrays, teacher.maps(images), strict=True):
            array[part] = maps.float().cpu().numpy()
        progress(part[-1] + 1, clips)
    out.flush()


def pick_frames(store: ClipReader, frames_per_clip: int, generator: torch.Generator) -> np.ndarray:
    """Pick frames of each clip: (clips, frames_per_clip).

    A single one is the first (the paper's choice for identity); several are drawn at random
    (Eq. 1), the same for one seed.
    """
    if frames_per_clip == 1:
        return np.zeros((len(store.clips), 1), int)
    draws = (torch.randint(c.frames, (frames_per_clip,), generator=generator) for c in store.clips)
    return np.stack([draw.numpy() for draw in draws])


def _chunks(items: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
