"""Reading and writing sound and video."""

from s2vkit.files import replacing
from s2vkit.media.frames import iter_frames, read_frames
from s2vkit.media.probe import has_codecs, probe
from s2vkit.media.resample import resample
from s2vkit.media.sound import Sound, read_speech
from s2vkit.media.video import VideoWriter

__all__ = [
    "Sound",
    "VideoWriter",
    "has_codecs",
    "iter_frames",
    "probe",
    "read_frames",
    "read_speech",
    "replacing",
    "resample",
]
