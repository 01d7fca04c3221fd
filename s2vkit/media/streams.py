"""Which streams of a file are its pictures, and how fast they come."""

from __future__ import annotations

from fractions import Fraction

from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

_RATES = (Fraction(1), Fraction(1000))  # frames a second that can be believed
_DEFAULT_RATE = Fraction(25)


def is_cover(stream: Stream) -> bool:
    """Return whether a video stream is only the cover picture of a sound file."""
    return bool(stream.disposition & Disposition.attached_pic)


def video_streams(container: InputContainer) -> list[VideoStream]:
    """List the video streams of a container that are no cover pictures."""
    return [stream for stream in container.streams.video if not is_cover(stream)]


def frame_rate(stream: VideoStream) -> Fraction:
    """Return the frames a second that a stream announces; 25 where it announces none that can be."""
    announced = (stream.average_rate, stream.guessed_rate)
    return next((r for r in announced if r and _RATES[0] <= r <= _RATES[1]), _DEFAULT_RATE)
