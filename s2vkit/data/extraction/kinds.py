"""The settings and results of segment extraction, and the reasons for which a file is rejected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from s2vkit.errors import InputError

REASONS: dict[str, str] = {
    "no_face": "no face was found",
    "face_too_small": "the face is smaller than `min_face` pixels",
    "several_faces": "several faces, and it is unclear which of them talks",
    "cut_inside": "shot changes leave no part that is long enough",
    "no_sound_track": "the file has no sound track",
    "silent": "the sound is silent all along",
    "too_short": "shorter than `shortest` seconds",
    "undecodable": "the file cannot be decoded",
    "duplicate": "the same content as another file",
}
"""Every reason for setting a file aside, and what it means."""


class Rejected(InputError):  # noqa: N818 (it is an outcome as much as an error)
    """A source without a usable clip: `reason` is a key of REASONS, `detail` says what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        if reason not in REASONS:
            raise ValueError(f"'{reason}' is no reason; the reasons are {', '.join(REASONS)}")
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail

    def __reduce__(self) -> tuple[Any, ...]:  # errors travel between processes
        return Rejected, (self.reason, self.detail)


@dataclass(frozen=True)
class Cutting:
    """How videos are cut into clips; seconds and pixels are those of the source."""

    size: int = 128  # H = W of the clips' frames
    fps: float = 25.0  # of the clips
    sample_rate: int = 16000  # of the clips' speech, in Hz
    margin: float = 0.14  # added on each side of the face, as a share of its height
    steady: float = 0.3  # s; over which the crop's place is smoothed, 4 times that for its size
    every: int = 10  # the detector sees every n-th frame; between them the face is followed
    detect_at: int = 192  # the longest side of the detector's input, in pixels
    min_face: int = 48  # height of a face, chin to hairline, below which it is too small
    min_score: float = 0.9  # of a detection, in [0, 1]
    dominance: float = 1.8  # a face that many times as high as any other is the one that talks
    shortest: float = 1.0  # s; a clip is at least as long
    longest: float = 120.0  # s; what is longer becomes several clips
    max_silence: float = 0.5  # s; sound may start that late or end that early
    hold: int = 256  # MiB of decoded pictures kept, so that short files are decoded once
    max_pixels: int = 4096 * 4096  # W x H; larger pictures are refused
    audio_track: int | None = None  # number, from 1, of the sound track; None: the one that speaks
    video_track: int | None = None  # and of the video track; None: the one that moves


@dataclass
class Cut:
    """One prepared clip."""

    frames: np.ndarray  # (V, size, size, 3) uint8 RGB at the cutting's fps
    speech: np.ndarray  # (S,) float32 in [-1, 1]; S = round(V / fps * sample_rate)
    start: float  # s from the first picture of the source
    boxes: np.ndarray  # (V, 4) left, top, right, bottom of the crop in the upright source, pixels
    transforms: np.ndarray  # (V, 2, 3) from pixels of the upright source to those of the clip


@dataclass
class Cuttings:
    """What became of one source."""

    clips: list[Cut]
    seconds: float  # of the source's pictures
    fps: float  # the source's, measured from its time stamps
    notes: list[str] = field(default_factory=list)  # what a user may want to know
