"""Clips to measure a sync evaluator on: of a prepared corpus, and cut out of videos of real faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from s2vkit.data.store import ClipStore
from s2vkit.media import read_frames, read_speech

RATE, FRAME = 16000, 640
SIDE = 64  # of the cut-out faces
SPEAKERS = {"swwp2s": "pwij3p"}  # two of GRID's clips are of one speaker


@dataclass
class Clip:
    """A clip at 25 frames a second and 16 kHz."""

    name: str
    frames: Tensor  # (V, H, W, 3) uint8
    speech: Tensor  # (S,)


def of_corpus(folder: Path, split: str) -> list[Clip]:
    """Return the clips of a split of a prepared corpus."""
    store = ClipStore(folder)
    return [
        Clip(store.clips[i].name, torch.from_numpy(store.frames(i)), torch.from_numpy(store.speech(i, RATE)))
        for i in store.split(split)
    ]


def usable(path: Path) -> bool:
    """Tell a video of one talking face."""
    return path.suffix in (".mp4", ".mpg") and path.parent.name != "awkward"


def speaker(path: Path) -> str:
    """Name who speaks in a clip of GRID."""
    return SPEAKERS.get(path.stem, path.stem)


def cut(path: Path) -> Clip:
    """Cut the face out of a video: a square that follows it, the mouth at 3/4 of its height."""
    from facenet_pytorch import MTCNN

    speech = torch.from_numpy(read_speech(path, RATE).samples)
    frames, _ = read_frames(path)
    count = min(len(frames), len(speech) // FRAME)
    every = range(0, count, 8)
    net = MTCNN(keep_all=False, min_face_size=60).eval()
    marks = net.detect([frames[i] for i in every], landmarks=True)[2]
    known = [i for i, m in zip(every, marks, strict=True) if m is not None]
    points = np.stack([np.asarray(m[0], float) for m in marks if m is not None])  # eyes, nose, mouth
    eyes, mouth = points[:, :2].mean(1), points[:, 3:].mean(1)
    side = 3.2 * np.median(np.linalg.norm(mouth - eyes, axis=1))
    at = np.stack([np.interp(range(count), known, mouth[:, k]) for k in (0, 1)], 1)
    images = [_square(frames[i], at[i], side) for i in range(count)]
    return Clip(path.stem, torch.stack(images), speech[: count * FRAME])


def _square(frame: np.ndarray, mouth: np.ndarray, side: float) -> Tensor:
    left, top = mouth[0] - side / 2, mouth[1] - 0.75 * side
    whole = torch.from_numpy(frame).permute(2, 0, 1).float()[None]
    height, width = whole.shape[2:]
    scale = torch.tensor([[side / width, 0, 0], [0, side / height, 0]], dtype=torch.float32)
    scale[0, 2] = 2 * (left + side / 2) / width - 1
    scale[1, 2] = 2 * (top + side / 2) / height - 1
    big = torch.nn.functional.affine_grid(scale[None], [1, 3, 2 * SIDE, 2 * SIDE], False)
    seen = torch.nn.functional.grid_sample(whole, big, "bilinear", "border", False)
    return torch.nn.functional.avg_pool2d(seen, 2)[0].permute(1, 2, 0).round().byte()
