"""Whose voice is low and whose is high."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

import torch
from torchaudio.functional import detect_pitch_frequency

from s2vkit import ProbeData

_LOUD = 0.1  # of a clip's loudest frame: below it nothing is voiced
_MIN_SECONDS = 0.5  # seconds; a shorter clip is repeated, since pitches are smoothed over 0.3
_HOP = 0.01  # seconds between pitches


def voices(train: ProbeData, test: ProbeData, border: float) -> tuple[list[str], list[str]]:
    """Call each clip's speaker `low` or `high`, by the median pitch of all clips of theirs.

    Without a label of the speaker, each clip stands for itself.
    """
    pitches = [_pitches(part) for part in (train, test)]
    speakers = [
        [speaker or name for speaker, name in zip(part.label("identity"), part.names, strict=True)]
        for part in (train, test)
    ]
    by_speaker = defaultdict(list)
    for speaker, pitch in zip(speakers[0] + speakers[1], pitches[0] + pitches[1], strict=True):
        by_speaker[speaker].append(pitch)
    called = {speaker: "high" if median(found) > border else "low" for speaker, found in by_speaker.items()}
    return [called[speaker] for speaker in speakers[0]], [called[speaker] for speaker in speakers[1]]


def _pitches(data: ProbeData) -> list[float]:
    if "pitches" not in data.shared:
        data.shared["pitches"] = [clip_pitch(data, i) for i in range(len(data.names))]
    return list(data.shared["pitches"])


def clip_pitch(data: ProbeData, clip: int) -> float:
    """Estimate the median pitch of a clip where it is loud, in Hz."""
    speech = torch.from_numpy(data.speech(clip))[None]
    times = -(-int(_MIN_SECONDS * data.sample_rate) // speech.shape[1])
    speech = speech.repeat(1, max(1, times))
    found = detect_pitch_frequency(speech, data.sample_rate, frame_time=_HOP)[0]
    hop = int(_HOP * data.sample_rate)
    level = speech[0].unfold(0, hop, hop).square().mean(1).sqrt()[: len(found)]
    found = found[: len(level)]
    return float(found[level >= _LOUD * level.max()].median())
