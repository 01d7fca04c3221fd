"""What frozen teachers give, computed once and read by every step.

Speech features at the frames' times, summaries, teachers' vectors and the identity teacher's
maps are each one flat array in a folder that its maker names by what they depend on. What is
large (features, segments, maps) is kept as float16; summaries and vectors, which losses
compare and which are small, as float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from s2vkit.data.array_writers import ArrayWriter
from s2vkit.data.clip_reader import ClipReader
from s2vkit.interfaces.pixels import to_images
from s2vkit.interfaces.teacher import Teacher

Progress = Callable[[int, int], None]


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
