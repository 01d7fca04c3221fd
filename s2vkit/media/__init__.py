"""Reading and writing sound and video."""

from s2vkit.files import replacing
from s2vkit.media.frames import has_codecs, iter_frames, probe, read_frames
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
