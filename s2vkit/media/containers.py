"""The forms in which a video with sound is written, and what each is good for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Container:
    """A file format of FFmpeg with its codecs."""

    name: str
    video: str
    sound: str
    video_options: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    signed: bool = False  # whether a file of it can bear a C2PA signature
    sound_rate: int = 48000  # Hz; every player takes it, and it is 16 kHz times three
    sound_options: Mapping[str, str] = field(default_factory=dict)


# The time scale stores whole frames at 25 and at 30000/1001 a second; the default, 1000, not.
_SCALE = {"movie_timescale": "90000"}
# Without it, x264's quicker code reads memory that nothing has written, and the same frames do not always
# give the same file.
SAME_BYTES = {"x264-params": "cpu-independent=1"}
# Half the time of the defaults; at a CRF of 17 in place of 18 pictures are as good, and files as small.
_QUICK = {"preset": "veryfast", **SAME_BYTES}
_QUICK_SOUND = {"aac_coder": "fast"}
MP4 = Container(
    "mp4",
    "libx264",
    "aac",
    {"crf": "17", **_QUICK},
    {"movflags": "+faststart", **_SCALE},
    signed=True,
    sound_options=_QUICK_SOUND,
)
FRAGMENTED_MP4 = Container(  # playable as far as it is written; for pipes and Media Source Extensions
    "mp4",
    "libx264",
    "aac",
    # Every frame is a key frame and so a fragment; FFmpeg's own `frag_every_frame` loses frames
    # where there is sound too.
    {"crf": "18", **_QUICK, "tune": "zerolatency", "g": "1"},
    {"movflags": "+frag_keyframe+delay_moov+default_base_moof", "flush_packets": "1", **_SCALE},
    sound_options=_QUICK_SOUND,
)
WEBM = Container(
    "webm", "libvpx-vp9", "libopus", {"crf": "20", "b": "0", "deadline": "realtime", "cpu-used": "6"}
)
CONTAINERS = {"mp4": MP4, "webm": WEBM}
