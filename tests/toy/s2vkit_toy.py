"""A toy dataset, as a plugin from outside: seconds to make, quick to learn, easy to break."""

from __future__ import annotations

import time

import numpy as np

from s2vkit import Dataset, Field, InputError, Options, Register, hookimpl

FRAMES, RATE, FPS = 20, 16000, 25


class ToyOptions(Options):
    """What may be set of the toy."""

    speakers: int = Field(default=2, description="speakers")
    size: int = Field(default=32, description="height and width of frames")
    emotions: list[str] = Field(default=["neutral", "anger"], description="emotions")
    sentences: int = Field(default=4, description="sentences: the last is test, the one before val")
    split: str = Field(default="by_sentence", description="no_test: everything is for training")
    truthless: list[int] = Field(default=[], description="clips whose mouth is not known")
    bad: list[int] = Field(default=[], description="clips whose load fails")
    misshapen: list[int] = Field(default=[], description="clips of another size")
    pause: float = Field(default=0.0, description="seconds that each load takes")
    rate: int = Field(default=RATE, description="Hz of the speech")
    labelled: bool = Field(default=True, description="whether clips have an emotion")


class Toy(Dataset):
    """Coloured squares with a dark mouth that opens with the loudness of a hum."""

    fps = float(FPS)

    def __init__(self, options: ToyOptions, *, seed: int) -> None:
        self.options, self.seed, self.size = options, seed, options.size
        self.sample_rate = options.rate
        speakers = tuple(f"s{i}" for i in range(options.speakers))
        self.labels = {"identity": speakers, "emotion": tuple(options.emotions)}
        self.items = [
            (s, e, k)
            for s in range(options.speakers)
            for e in range(len(options.emotions))
            for k in range(options.sentences)
        ]

    def clips(self) -> list:
        from s2vkit import ClipFiles

        return [ClipFiles(f"s{s}_{e}_{k}", self._labels(s, e, k), self._split(k)) for s, e, k in self.items]

    def _labels(self, s: int, e: int, k: int) -> dict[str, str]:
        labels = {"identity": f"s{s}", "sentence": str(k)}
        return {**labels, "emotion": self.options.emotions[e]} if self.options.labelled else labels

    def _split(self, k: int) -> str:
        if self.options.split == "no_test":
            return "train"
        return {self.options.sentences - 1: "test", self.options.sentences - 2: "val"}.get(k, "train")

    def load(self, index: int):
        from s2vkit import RawClip

        time.sleep(self.options.pause)
        if index in self.options.bad:
            raise InputError(f"clip {index} has no face")
        s, e, k = self.items[index]
        random = np.random.default_rng([self.seed, index])
        frames = FRAMES + index % 3  # clips differ in length
        opening = 0.5 + 0.5 * np.sin(2 * np.pi * (2 + 0.3 * k) * np.arange(frames) / FPS)
        each = self.sample_rate // FPS
        t = np.arange(frames * each) / self.sample_rate
        hum = 0.2 * np.sin(2 * np.pi * (150 + 80 * s + 20 * e) * t) * np.repeat(opening, each)
        speech = (hum + 0.01 * random.standard_normal(len(t))).astype(np.float32)
        size = self.size + 2 * (index in self.options.misshapen)
        picture = np.zeros((frames, size, size, 3), np.uint8)
        picture[..., s % 3] = 120 + 20 * e
        for v, half in enumerate((opening * size / 8).astype(int)):
            row = size * 3 // 4
            picture[v, row - half : row + half + 1, size // 3 : -size // 3] = 30
        truth = {"mouth_aperture": opening.astype(np.float32), "landmarks": marks(size, opening)}
        return RawClip(picture, speech, {} if index in self.options.truthless else truth)


def marks(size: int, opening: np.ndarray) -> np.ndarray:
    """Mark 68 points (V, 68, 2): eyes at their usual place, the inner lips where the mouth ends."""
    points = np.full((len(opening), 68, 2), size / 2, np.float32)
    points[:, 36:42], points[:, 42:48] = (0.35 * size, 0.45 * size), (0.65 * size, 0.45 * size)
    points[:, 48:, 1] = size * 3 // 4 + 0.5
    half = (opening * size / 8).astype(int)[:, None] + 0.5
    points[:, 61:64, 1] -= half
    points[:, 65:68, 1] += half
    return points


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the toy."""
    register(
        "dataset",
        "toy",
        "s2vkit_toy:Toy",
        ToyOptions,
        gives=("speech", "frames", "identity", "emotion", "mouth_aperture", "landmarks"),
        summary="a toy for tests",
    )
