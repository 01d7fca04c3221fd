"""The cache of the outputs of frozen networks: computed once, read by every step.

Speech features at the frames' times, summaries, teachers' vectors and the identity teacher's
maps are each one flat array in a folder that its maker names by what they depend on. What is
large (features, segments, maps) is kept as float16; summaries and vectors, which losses
compare and which are small, as float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from s2vkit.data.arrays import Halves, flush, new_array
from s2vkit.data.store import ClipStore
from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.interfaces.batch import align, speech_steps
from s2vkit.interfaces.fields.clips import pad_speech
from s2vkit.interfaces.pixels import to_images
from s2vkit.interfaces.teacher import Teacher

Progress = Callable[[int, int], None]


@torch.inference_mode()
def encode_speech(
    store: ClipStore,
    encoder: AudioEncoder,
    out: Path,
    *,
    device: torch.device,
    mode: str,
    shift: float,
    progress: Progress,
    batch: int = 16,
) -> None:
    """Encode the speech of every clip: `features` (all frames, D) at frame times and `summary` (clips, E)."""
    frames = sum(clip.frames for clip in store.clips)
    features = Halves(out / "features.npy", (frames, encoder.dim))
    summaries = new_array(out / "summary.npy", (len(store.clips), encoder.summary_dim))
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
    features.flush()
    flush(summaries)


@torch.inference_mode()
def encode_segments(
    store: ClipStore,
    encoder: AudioEncoder,
    out: Path,
    *,
    device: torch.device,
    segments: int,
    generator: torch.Generator,
    progress: Progress,
) -> None:
    """Encode `segments` (clips, segments, E): summaries of random segments of each training clip.

    They are the same for one seed, and let students learn from more than one summary a clip.
    """
    segment_summaries = Halves(out / "segments.npy", (len(store.clips), segments, encoder.summary_dim))
    clips = store.split("train")
    for done, i in enumerate(clips, 1):
        speech = store.speech(i, encoder.sample_rate)
        pieces = [_segment(speech, generator) for _ in range(segments)]
        padded, lengths = pad_speech(pieces)
        segment_summaries[i] = encoder(padded.to(device), lengths.to(device))[1].float().cpu().numpy()
        progress(done, len(clips))
    segment_summaries.flush()


def _segment(speech: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Cut out between a third and nine tenths of a clip."""
    share, place = torch.rand(2, generator=generator).tolist()
    length = max(1, int(len(speech) * (0.33 + 0.57 * share)))
    start = int((len(speech) - length) * place)
    return speech[start : start + length]


@torch.inference_mode()
def encode_faces(
    store: ClipStore,
    teacher: Teacher,
    out: Path,
    *,
    device: torch.device,
    frames_per_clip: int,
    generator: torch.Generator,
    progress: Progress,
    batch: int = 64,
) -> None:
    """Embed the faces of every clip by a teacher: `targets` (clips, frames_per_clip, dim).

    A single one is the first frame (the paper's choice for identity); several are drawn at random
    (Eq. 1), the same for one seed.
    """
    clips = len(store.clips)
    targets = new_array(out / "targets.npy", (clips, frames_per_clip, teacher.dim))
    for part in _chunks(list(range(clips)), max(1, batch // frames_per_clip)):
        frames = np.concatenate(
            [store.frames(i, _pick_frames(store, i, frames_per_clip, generator)) for i in part]
        )
        images = to_images(torch.from_numpy(frames).to(device))
        targets[part] = teacher(images).float().cpu().view(len(part), frames_per_clip, -1).numpy()
        progress(part[-1] + 1, clips)
    flush(targets)


@torch.inference_mode()
def encode_maps(
    store: ClipStore,
    teacher: Teacher,
    out: Path,
    *,
    device: torch.device,
    progress: Progress,
    batch: int = 64,
) -> None:
    """Compute a teacher's maps of the first frame of every clip: `maps0` and so on."""
    clips = len(store.clips)
    arrays = [Halves(out / f"maps{i}.npy", (clips, *shape)) for i, shape in enumerate(teacher.map_shapes)]
    for part in _chunks(list(range(clips)), batch):
        frames = np.concatenate([store.frames(i, np.zeros(1, int)) for i in part])
        images = to_images(torch.from_numpy(frames).to(device))
        for array, maps in zip(arrays, teacher.maps(images), strict=True):
            array[part] = maps.float().cpu().numpy()
        progress(part[-1] + 1, clips)
    for array in arrays:
        array.flush()


def _pick_frames(store: ClipStore, clip: int, frames_per_clip: int, generator: torch.Generator) -> np.ndarray:
    if frames_per_clip == 1:
        return np.zeros(1, int)
    count = store.clips[clip].frames
    return torch.randint(count, (frames_per_clip,), generator=generator).numpy()


def _chunks(items: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
