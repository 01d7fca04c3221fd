"""The dataset `synthetic`: every speaker says every sentence in every emotion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from s2vkit import ClipFiles, Dataset, RawClip
from s2vkit_synthetic import FIRST_ID, SyntheticOptions
from s2vkit_synthetic.cast import cast
from s2vkit_synthetic.expression import express
from s2vkit_synthetic.identity import Person
from s2vkit_synthetic.motion import lighting, move
from s2vkit_synthetic.mouth import Speaking
from s2vkit_synthetic.points import landmarks
from s2vkit_synthetic.portrait import draw
from s2vkit_synthetic.sentences import EMOTIONS, LEVELS, SENTENCES
from s2vkit_synthetic.speech import SAMPLE_RATE, loudness, room, say
from s2vkit_synthetic.viseme import codes, speaking

_AGES = ((30, "under 30"), (50, "30 to 49"), (200, "50 and over"))
_VAL, _TEST = 0.15, 0.15  # shares of clips or of actors


@dataclass(frozen=True)
class _Entry:
    speaker: int  # index into the cast
    sentence: str
    emotion: str
    level: str

    @property
    def name(self) -> str:
        return f"{FIRST_ID + self.speaker}_{self.sentence}_{EMOTIONS[self.emotion]}_{self.level}"


class SyntheticCorpus(Dataset):
    """Drawn talking faces; clips are named as in CREMA-D (ACTOR_SENTENCE_EMOTION_LEVEL).

    The truth of a clip: "mouth_aperture" (V,) float32, the drawn gap between the lips as a part of
    the widest one (11 % of the picture's height), "eyelid_closure" (V,) float32, how far the lids are
    down in a blink (0 to 1), "phoneme" (V,) int16, indices into
    `s2vkit_synthetic.viseme.PHONEMES`, and "landmarks" (V, 68, 2) float32, in pixels, in the order of
    the markup of 300-W.
    """

    sample_rate = SAMPLE_RATE

    def __init__(self, options: SyntheticOptions, *, seed: int = 0) -> None:
        self.options = options
        self.seed = seed
        self.size = options.size
        self.fps = options.fps
        self.labels = {"identity": options.names, "emotion": tuple(options.emotions)}
        entries = [
            _Entry(speaker, sentence, emotion, level)
            for speaker in range(options.speakers)
            for sentence in list(SENTENCES)[: options.sentences]
            for emotion in options.emotions
            for level in list(LEVELS)[: options.takes]
        ]
        splits = self._split(entries)
        kept = self._kept(entries, splits)
        self._entries = [entries[k] for k in kept]
        self._splits = [splits[k] for k in kept]

    def clips(self) -> list[ClipFiles]:
        """List every clip: by speaker, sentence, emotion and take."""
        people = cast(self.options.speakers)
        return [
            ClipFiles(
                entry.name,
                {
                    "identity": str(FIRST_ID + entry.speaker),
                    "emotion": entry.emotion,
                    "sentence": entry.sentence,
                    **_known(people[entry.speaker]),
                },
                split,
            )
            for entry, split in zip(self._entries, self._splits, strict=True)
        ]

    def load(self, index: int) -> RawClip:
        """Speak and draw clip `index`.

        The same options, seed and index give the same bytes, whatever was loaded before.
        Raises ResourceError if eSpeak NG is not installed.
        """
        entry = self._entries[index]
        rng = np.random.default_rng([self.seed, *entry.name.encode()])
        person = cast(entry.speaker + 1)[entry.speaker]
        strength = LEVELS[entry.level] * float(rng.uniform(0.9, 1.08))
        spoken = say(SENTENCES[entry.sentence], person.voice, entry.emotion, strength, rng)
        silence, tail = rng.uniform(0.12, 0.20, 2)
        frames = math.ceil((silence + len(spoken.speech) / SAMPLE_RATE + tail) * self.fps)
        speech = room(round(frames * SAMPLE_RATE / self.fps), rng)
        offset = round(silence * SAMPLE_RATE)
        speech[offset : offset + len(spoken.speech)] += spoken.speech
        phonemes = [p.later(offset / SAMPLE_RATE) for p in spoken.phonemes]
        expression = express(entry.emotion, strength)
        mouth = speaking(phonemes, loudness(speech, 250.0), frames, self.fps, gain=expression.gain)
        level = loudness(speech, self.fps, 0.08)
        level = np.resize(level / level.max(), frames)
        motion = move(frames, self.fps, level, 1.0 + person.age / 120, rng)
        shapes = Speaking(**{k: torch.from_numpy(v).view(-1, 1, 1) for k, v in mouth.items()})
        picture = draw(
            person,
            expression,
            shapes,
            motion,
            lighting(rng),
            size=self.size,
            noise=torch.Generator().manual_seed(int(rng.integers(2**31))),
        )
        truth = {
            "mouth_aperture": mouth["open"],
            "eyelid_closure": motion.closure.numpy().astype(np.float32),
            "phoneme": codes(phonemes, frames, self.fps),
            "landmarks": landmarks(person, expression, shapes, motion, self.size),
        }
        return RawClip(picture, speech.clip(-1.0, 1.0).astype(np.float32), truth)

    def _kept(self, entries: list[_Entry], splits: list[str]) -> list[int]:
        """Leave the speakers of `train_clips` no more training clips than it says."""
        dropped: set[int] = set()
        for name, most in self.options.train_clips.items():
            speaker = self.options.names.index(name)
            own = [k for k, e in enumerate(entries) if e.speaker == speaker and splits[k] == "train"]
            order = np.random.default_rng([self.seed, 16, speaker]).permutation(len(own))
            dropped.update(own[k] for k in order[most:])
        return [k for k in range(len(entries)) if k not in dropped]

    def _split(self, entries: list[_Entry]) -> list[str]:
        how = self.options.split
        if how == "by_sentence":
            used = list(SENTENCES)[: self.options.sentences]
            test, val = max(1, round(len(used) / 6)), max(1, round(len(used) / 12))
            part = dict(zip(used, _parts(len(used), val, test), strict=True))
            return [part[e.sentence] for e in entries]
        rng = np.random.default_rng([self.seed, 15])
        if how == "by_actor":
            order, parts = _shares(self.options.speakers, rng)
            of = dict(zip(order, parts, strict=True))
            return [of[e.speaker] for e in entries]
        order, parts = _shares(len(entries), rng)
        of = dict(zip(order, parts, strict=True))
        return [of[k] for k in range(len(entries))]


def _known(person: Person) -> dict[str, str]:
    """Return the labels of who someone is, which no voice or face is told by."""
    age = next(name for oldest, name in _AGES if person.age < oldest)
    return {"sex": {"f": "female", "m": "male"}[person.sex], "age": age}


def _shares(count: int, rng: np.random.Generator) -> tuple[list[int], list[str]]:
    order = [int(k) for k in rng.permutation(count)]
    return order, _parts(count, max(1, round(count * _VAL)), max(1, round(count * _TEST)))


def _parts(count: int, val: int, test: int) -> Sequence[str]:
    return ["train"] * (count - val - test) + ["val"] * val + ["test"] * test
