"""Whose voice is low and whose is high."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

import torch
from torchaudio.functional import detect_pitch_frequency

from s2vkit import Heard

_LOUD = 0.1  # of a clip's loudest frame: below it nothing is voiced
_LEAST = 0.5  # seconds; a shorter clip is repeated, since pitches are smoothed over 0.3
_HOP = 0.01  # seconds between pitches


def voices(train: Heard, test: Heard, border: float) -> tuple[list[str], list[str]]:
    """Call each clip's speaker `low` or `high`, by the median pitch of all clips of theirs.

    Without a label of the speaker, each clip stands for itself.
    """
    pitches = [_pitches(part) for part in (train, test)]
    speakers = [
        [who or name for who, name in zip(part.label("identity"), part.names, strict=True)]
        for part in (train, test)
    ]
    own = defaultdict(list)
    for who, pitch in zip(speakers[0] + speakers[1], pitches[0] + pitches[1], strict=True):
        own[who].append(pitch)
    called = {who: "high" if median(found) > border else "low" for who, found in own.items()}
    return [called[who] for who in speakers[0]], [called[who] for who in speakers[1]]


def _pitches(heard: Heard) -> list[float]:
    if "pitches" not in heard.shared:
        heard.shared["pitches"] = [clip_pitch(heard, i) for i in range(len(heard.names))]
    return list(heard.shared["pitches"])


def clip_pitch(heard: Heard, clip: int) -> float:
    """Estimate the median pitch of a clip where it is loud, in Hz."""
    speech = torch.from_numpy(heard.speech(clip))[None]
    times = -(-int(_LEAST * heard.sample_rate) // speech.shape[1])
    speech = speech.repeat(1, max(1, times))
    found = detect_pitch_frequency(speech, heard.sample_rate, frame_time=_HOP)[0]
    hop = int(_HOP * heard.sample_rate)
    level = speech[0].unfold(0, hop, hop).square().mean(1).sqrt()[: len(found)]
    found = found[: len(level)]
    return float(found[level >= _LOUD * level.max()].median())
