"""Coloured squares with a mouth that opens with the loudness of a hum, labelled with three sides."""

from __future__ import annotations

from itertools import product

import numpy as np

from s2vkit import ClipFiles, Dataset, RawClip
from s2vkit_sides import AgedSquaresOptions

FRAMES, RATE, FPS = 16, 16000, 25


class AgedSquares(Dataset):
    """Every speaker in every emotion at every age, three takes each."""

    fps, sample_rate = float(FPS), RATE
    labels = {"identity": ("ann", "bob"), "emotion": ("anger", "neutral"), "age": ("old", "young")}

    def __init__(self, options: AgedSquaresOptions, *, seed: int) -> None:
        self.size, self.seed = options.size, seed
        self.items = list(product(*self.labels.values(), range(3)))

    def clips(self) -> list[ClipFiles]:
        """List them; the last take of each is for the test."""
        splits = ("train", "val", "test")
        return [
            ClipFiles(
                f"{who}-{emotion}-{age}-{take}",
                {"identity": who, "emotion": emotion, "age": age},
                splits[take],
            )
            for who, emotion, age, take in self.items
        ]

    def load(self, index: int) -> RawClip:
        """Draw one."""
        who, emotion, age, take = self.items[index]
        opening = 0.5 + 0.5 * np.sin(2 * np.pi * (2 + take) * np.arange(FRAMES) / FPS)
        t = np.arange(FRAMES * RATE // FPS) / RATE
        pitch = 150 + 80 * (who == "ann") + 20 * (emotion == "anger") + 40 * (age == "young")
        speech = 0.2 * np.sin(2 * np.pi * pitch * t) * np.repeat(opening, RATE // FPS)
        frames = np.full((FRAMES, self.size, self.size, 3), 40 if age == "old" else 90, np.uint8)
        frames[..., 0 if who == "ann" else 1] = 200 if emotion == "anger" else 140
        for frame, half in zip(frames, (opening * self.size / 8).astype(int), strict=True):
            frame[self.size * 3 // 4 - half : self.size * 3 // 4 + half + 1, 8:-8] = 20
        return RawClip(frames, speech.astype(np.float32))
