"""Grids of a generator: every speaker in every emotion, and the inflated identity maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from s2vkit.data.frozen import to_images
from s2vkit.data.store import ClipStore
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.batch import Conditioning
from s2vkit.report.pictures import contact_sheet, to_uint8

ROWS = 4  # speakers whose maps are shown
CHANNELS = 4  # of each map


def draw_grids(listener: InferencePipeline, store: ClipStore, folder: Path) -> None:
    """Write identity_emotion.png and identity_maps.png, as far as the graph has those sides."""
    heard = {clip: listener.condition_clip(store, clip) for clip in _of_each(store)}
    if not heard:
        return
    if listener.graph.students.keys() >= {"identity", "emotion"}:
        _who_by_mood(listener, store, heard, folder / "identity_emotion.png")
    _maps(listener, store, heard, folder / "identity_maps.png")


def _of_each(store: ClipStore) -> list[int]:
    """Pick a clip of every speaker and emotion, at most eight speakers."""
    found: dict[tuple[str, str], int] = {}
    for i, clip in enumerate(store.clips):
        found.setdefault((clip.labels.get("identity", ""), clip.labels.get("emotion", "")), i)
    who = sorted({speaker for speaker, _ in found})[:8]
    return [i for (speaker, _), i in sorted(found.items()) if speaker in who]


def _who_by_mood(
    listener: InferencePipeline, store: ClipStore, heard: dict[int, Conditioning], path: Path
) -> None:
    """Draw every speaker (rows) with the mean code of every emotion (columns), at one sound."""
    moods = _means(store, heard, "emotion")
    people = _means(store, heard, "identity")
    first = next(iter(heard))
    time = middle(store, first)
    sound = listener.cut(heard[first], time, time + 1)
    rows = [
        [to_uint8(drawn(listener, replace(sound, identity=who, emotion=mood))[0]) for mood in moods.values()]
        for who in people.values()
    ]
    contact_sheet(rows, [f"{name} x {', '.join(moods)}" for name in people], path)


def _means(store: ClipStore, heard: dict[int, Conditioning], side: str) -> dict[str, Tensor]:
    groups: dict[str, list[Tensor]] = {}
    for clip, codes in heard.items():
        code = getattr(codes, side)
        groups.setdefault(store.clips[clip].labels.get(side, ""), []).append(code)
    return {name: torch.stack(codes).mean(0) for name, codes in sorted(groups.items())}


def _maps(listener: InferencePipeline, store: ClipStore, heard: dict[int, Conditioning], path: Path) -> None:
    """Draw a few channels of each inflated map, and below of the teacher's, speaker by speaker."""
    size, rows, labels = store.index.size, [], []
    teacher = listener.graph.teachers.get("identity")
    speakers: dict[str, int] = {}
    for clip in heard:
        speakers.setdefault(store.clips[clip].labels.get("identity", ""), clip)
    for name, clip in list(speakers.items())[:ROWS]:
        made = _made_maps(listener, listener.cut(heard[clip], 0, 1))
        if not made:
            return
        rows.append(_tiles(made, size))
        labels.append(f"{name} inflated")
        if teacher is not None:
            still = to_images(torch.from_numpy(store.frames(clip, np.zeros(1, int))))
            with torch.inference_mode():
                true = teacher.maps(still.to(made[0].device))
            rows.append(_tiles(true, size))
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


@torch.inference_mode()
def drawn(listener: InferencePipeline, codes: Conditioning) -> Tensor:
    """Draw codes of one clip: (V, 3, H, W)."""
    assert listener.graph.generator is not None
    return listener.graph.generator(codes).frames[0].float()


@torch.inference_mode()
def _made_maps(listener: InferencePipeline, codes: Conditioning) -> list[Tensor]:
    assert listener.graph.generator is not None
    return listener.graph.generator(codes).identity_maps


def middle(store: ClipStore, clip: int) -> int:
    """Give the middle frame of a clip."""
    return store.clips[clip].frames // 2
