"""Making films for tests: pictures at any times, with a flash and a click every second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from s2vkit.interfaces.face_detector import FaceDetector, Faces

FLASH = 0.12  # s
RATE = 22050  # of the sound, in Hz
CODECS = {
    ".mp4": ("libx264", "aac"),
    ".mov": ("libx264", "aac"),
    ".mkv": ("libx264", "pcm_s16le"),
    ".flv": ("flv", "libmp3lame"),
    ".avi": ("mpeg4", "libmp3lame"),
    ".mpg": ("mpeg1video", "mp2"),
    ".webm": ("libvpx", "libopus"),
    ".ts": ("libx264", "aac"),
}


def steady(fps: float, seconds: float, start: float = 0.0) -> np.ndarray:
    """Times of frames at a steady rate."""
    return start + np.arange(round(seconds * fps)) / fps


def flashing(size: tuple[int, int] = (32, 24)) -> Callable[[float], np.ndarray]:
    """Pictures that are dark with a moving bar, and bright at the start of every second."""

    def draw(time: float) -> np.ndarray:
        picture = np.full((size[1], size[0], 3), 40, np.uint8)
        picture[:, int(time * 10) % size[0]] = 90
        if time % 1 < FLASH or time % 1 > 1 - 1e-6:
            picture[:] = 230
        return picture

    return draw


def clicks(seconds: float, rate: int = RATE, start: float = 0.0) -> np.ndarray:
    """float32 (S,): faint noise, and 10 ms of a tone at every full second of the film's time."""
    count = round(seconds * rate)
    samples = np.random.default_rng(0).normal(0, 0.003, count).astype(np.float32)
    tone = 0.7 * np.sin(2 * np.pi * 1500 * np.arange(rate // 100) / rate).astype(np.float32)
    for second in range(int(np.ceil(start)), int(start + seconds)):
        at = round((second - start) * rate)
        samples[at : at + len(tone)] = tone[: count - at]
    return samples


def write_film(
    path: Path,
    times: Sequence[float] | np.ndarray,
    draw: Callable[[float], np.ndarray],
    sound: np.ndarray | None = None,
    *,
    sound_start: float = 0.0,
    sound_rate: int = RATE,
    rate: Fraction | None = None,
    pix_fmt: str = "yuv420p",
    codecs: tuple[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode pictures at `times` (s) beside mono sound (S,) that starts at `sound_start` s."""
    picture_codec, sound_codec = codecs or CODECS[path.suffix]
    height, width = draw(float(times[0])).shape[:2]
    base = 1 / rate if rate else Fraction(1, 1000 if path.suffix in (".flv", ".mkv") else 90000)
    with av.open(str(path), "w", options=options or {}) as out:
        video = out.add_stream(picture_codec, rate=rate or 30)
        video.width, video.height, video.pix_fmt = width, height, pix_fmt
        video.codec_context.time_base = base
        video.codec_context.thread_count = 1  # of the change of format too, which waits for threads
        video.options = {"preset": "ultrafast", "threads": "1"} if "x264" in picture_codec else {}
        voice = None
        if sound is not None:
            voice = out.add_stream(sound_codec, rate=sound_rate, layout="mono")
        packets = []
        for time in times:
            frame = av.VideoFrame.from_ndarray(draw(float(time)), format="rgb24")
            frame.pts, frame.time_base = round(time / base), base
            packets += video.encode(frame)
        packets += video.encode(None)
        if voice is not None:
            packets += _sound(voice, sound, sound_rate, sound_start)
        packets.sort(key=lambda p: float((p.dts or 0) * p.time_base))
        out.mux(packets)
    return path


def _sound(stream, samples: np.ndarray, rate: int, start: float) -> list:
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), round(start * rate)
    context = stream.codec_context
    context.open()
    swr = av.AudioResampler(
        format=context.format.name, layout="mono", rate=rate, frame_size=context.frame_size or 1024
    )
    packets = []
    for block in [*swr.resample(frame), *swr.resample(None)]:
        packets += stream.encode(block)
    return packets + stream.encode(None)


FACE = (200, 120, 90)


class Portrait:
    """Pictures of drawn faces: each (x, y, height) in pixels as a function of time."""

    def __init__(self, *faces, size: tuple[int, int] = (160, 120), background=None) -> None:
        self.faces, self.size = faces, size
        self.background = background or (lambda time: 30)
        self.mouths: dict[int, Callable[[float], float]] = {}  # of a face: how open, in [0, 1]

    def __call__(self, time: float) -> np.ndarray:
        width, height = self.size
        rows, columns = np.mgrid[:height, :width]
        picture = np.full((height, width, 3), self.background(time), np.uint8)
        picture += (columns[..., None] * 40 // width).astype(np.uint8)
        for i, face in enumerate(self.faces):
            x, y, tall = face(time)
            inside = ((columns - x) / (0.375 * tall)) ** 2 + ((rows - y) / (0.5 * tall)) ** 2 < 1
            picture[inside] = FACE
            opened = self.mouths.get(i, lambda time: 0.0)(time)
            mouth = (abs(columns - x) < 0.12 * tall) & (abs(rows - y - 0.27 * tall) < 0.09 * tall * opened)
            picture[mouth] = (90, 20, 20)
        return picture


class FindsDrawn(FaceDetector):
    """Finds drawn faces by their colour, with landmarks where faces have them."""

    def __call__(self, frames: np.ndarray) -> list[Faces]:
        return [self._one(frame) for frame in frames]

    def _one(self, frame: np.ndarray) -> Faces:
        from scipy.ndimage import binary_closing, find_objects, label

        red, green, blue = frame.astype(int).transpose(2, 0, 1)
        near = (red - green > 35) & (red - blue > 35)
        found, _ = label(binary_closing(near, iterations=2))
        boxes, marks = [], []
        for rows, columns in find_objects(found):
            left, top, right, bottom = columns.start, rows.start, columns.stop, rows.stop
            width, height = right - left, bottom - top
            if min(width, height) < 5:
                continue
            boxes.append([left, top, right, bottom])
            at = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.77), (0.65, 0.77)]
            marks.append([(left + a * width, top + b * height) for a, b in at])
        return Faces(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.ones(len(boxes), np.float32),
            np.array(marks, np.float32).reshape(-1, 5, 2),
        )
