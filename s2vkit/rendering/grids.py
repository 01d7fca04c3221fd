"""Grids of a generator: every speaker in every emotion, and the inflated identity maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from s2vkit.data.store import ClipStore
from s2vkit.engine.conditioning import condition_clip
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.batch import Conditioning
from s2vkit.interfaces.pixels import to_images, to_uint8
from s2vkit.interfaces.teacher import Teacher
from s2vkit.report.pictures import contact_sheet

ROWS = 4  # speakers whose maps are shown
CHANNELS = 4  # of each map


def draw_grids(
    pipeline: InferencePipeline, store: ClipStore, folder: Path, teacher: Teacher | None = None
) -> None:
    """Write identity_emotion.png and identity_maps.png, as far as the graph has those sides.

    `teacher` is the identity teacher, whose maps are shown beside; it is on the device.
    """
    clips = {clip: condition_clip(pipeline, store, clip) for clip in _of_each(store)}
    if not clips:
        return
    if pipeline.graph.students.keys() >= {"identity", "emotion"}:
        _speakers_by_emotions(pipeline, store, clips, folder / "identity_emotion.png")
    _maps(pipeline, store, clips, teacher, folder / "identity_maps.png")


def _of_each(store: ClipStore) -> list[int]:
    """Pick a clip of every speaker and emotion, at most eight speakers."""
    found: dict[tuple[str, str], int] = {}
    for i, clip in enumerate(store.clips):
        found.setdefault((clip.labels.get("identity", ""), clip.labels.get("emotion", "")), i)
    speakers = sorted({speaker for speaker, _ in found})[:8]
    return [i for (speaker, _), i in sorted(found.items()) if speaker in speakers]


def _speakers_by_emotions(
    pipeline: InferencePipeline, store: ClipStore, clips: dict[int, Conditioning], path: Path
) -> None:
    """Draw every speaker (rows) with the mean code of every emotion (columns), at one sound."""
    emotions = _means(store, clips, "emotion")
    speakers = _means(store, clips, "identity")
    first = next(iter(clips))
    time = middle(store, first)
    sound = pipeline.segment(clips[first], time, time + 1)
    rows = [
        [
            to_uint8(frames_of(pipeline, with_codes(sound, identity=speaker, emotion=emotion))[0])
            for emotion in emotions.values()
        ]
        for speaker in speakers.values()
    ]
    contact_sheet(rows, [f"{name} x {', '.join(emotions)}" for name in speakers], path)


def with_codes(conditioning: Conditioning, **codes: Tensor) -> Conditioning:
    """Put other codes of some sides into conditioning."""
    return replace(conditioning, codes={**conditioning.codes, **codes})


def _means(store: ClipStore, clips: dict[int, Conditioning], side: str) -> dict[str, Tensor]:
    groups: dict[str, list[Tensor]] = {}
    for clip, codes in clips.items():
        groups.setdefault(store.clips[clip].labels.get(side, ""), []).append(codes.codes[side])
    return {name: torch.stack(codes).mean(0) for name, codes in sorted(groups.items())}


def _maps(
    pipeline: InferencePipeline,
    store: ClipStore,
    clips: dict[int, Conditioning],
    teacher: Teacher | None,
    path: Path,
) -> None:
    """Draw a few channels of each inflated map, and below of the teacher's, speaker by speaker."""
    size, rows, labels = store.index.size, [], []
    speakers: dict[str, int] = {}
    for clip in clips:
        speakers.setdefault(store.clips[clip].labels.get("identity", ""), clip)
    for name, clip in list(speakers.items())[:ROWS]:
        inflated = pipeline.output(pipeline.segment(clips[clip], 0, 1)).identity_maps
        if not inflated:
            return
        rows.append(_tiles(inflated, size))
        labels.append(f"{name} inflated")
        if teacher is not None:
            image = to_images(torch.from_numpy(store.frames(clip, np.zeros(1, int))))
            with torch.inference_mode():
                maps = teacher.maps(image.to(inflated[0].device))
            rows.append(_tiles(maps, size))
            labels.append("the teacher's")
    contact_sheet(rows, labels, path)


def _tiles(maps: list[Tensor], size: int) -> list[np.ndarray]:
    """Show the first channels of (1, C, h, w) maps as grey pictures of one size."""
    tiles = []
    for level in maps:
        for channel in level[0, :CHANNELS].float().cpu():
            grey = (channel - channel.min()) / (channel.max() - channel.min() + 1e-6)
            picture = Image.fromarray((grey * 255).byte().numpy()).resize((size, size), 0)
            tiles.append(np.asarray(picture)[..., None].repeat(3, -1))
    return tiles


def frames_of(pipeline: InferencePipeline, conditioning: Conditioning) -> Tensor:
    """Generate the frames of one clip at once: (V, 3, H, W)."""
    return pipeline.output(conditioning).frames[0].float()


def middle(store: ClipStore, clip: int) -> int:
    """Return the middle frame of a clip."""
    return store.clips[clip].frames // 2
