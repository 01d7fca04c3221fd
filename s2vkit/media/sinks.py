"""Where frames go: a video, an animated GIF, a folder of pictures, raw bytes, or a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Protocol

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

from s2vkit.files import atomic_folder, replacing
from s2vkit.media.containers import CONTAINERS, FRAGMENTED_MP4
from s2vkit.media.video import Marking, VideoWriter, as_rate

FORMATS = ("mp4", "webm", "gif", "png", "raw")
SILENT = ("gif", "png", "raw")  # formats without sound
WINDOW = "window"  # the form that is shown and not written
Target = Path | BinaryIO
_Put = Callable[[np.ndarray, int], object]


class Sink(Protocol):
    """Takes frames and sound as they come."""

    count: int  # frames written so far

    def write(self, frames: np.ndarray) -> None:
        """Append uint8 (N, H, W, 3) RGB frames."""
        ...

    def write_sound(self, samples: np.ndarray) -> None:
        """Append float32 (S,) samples of the sound that belongs to them."""
        ...


def open_sink(
    target: Target, form: str, size: int, fps: float, sample_rate: int, marking: Marking | None = None
) -> AbstractContextManager[Sink]:
    """Open what a format is written by; frames are square, of `size`.

    With `marking`, frames are watermarked in every format, and an MP4 file is signed. A file or
    folder appears whole or not at all; what goes to an open file goes there at once.
    """
    if form in CONTAINERS:
        container = CONTAINERS[form] if isinstance(target, Path) or form != "mp4" else FRAGMENTED_MP4
        return VideoWriter(
            target, (size, size), fps, None, sample_rate, marking, container=container, sound=True
        )
    silent = {"gif": _gif, "png": _pictures, "raw": _raw, WINDOW: _window}
    return silent[form](target, size, as_rate(fps), marking)


class _Silent:
    """A sink without sound; `put` writes one frame."""

    def __init__(
        self, put: Callable[[np.ndarray, int], object], fps: Fraction, marking: Marking | None
    ) -> None:
        self.count, self._put, self._fps, self._marking = 0, put, fps, marking

    def write(self, frames: np.ndarray) -> None:
        if self._marking is not None:
            frames = self._marking.mark(frames, self.count, float(self._fps))
        for frame in frames:
            self._put(frame, self.count)
            self.count += 1

    def write_sound(self, samples: np.ndarray) -> None:
        pass


@contextmanager
def _raw(target: Target, size: int, fps: Fraction, marking: Marking | None) -> Iterator[Sink]:
    """Write the bytes of each frame, row by row, RGB."""
    with ExitStack() as scope:
        if isinstance(target, Path):
            file: BinaryIO = scope.enter_context(scope.enter_context(replacing(target)).open("wb"))
        else:
            file = target
        yield _Silent(lambda frame, _: file.write(np.ascontiguousarray(frame).tobytes()), fps, marking)


@contextmanager
def _pictures(target: Target, size: int, fps: Fraction, marking: Marking | None) -> Iterator[Sink]:
    """Write 000000.png and so on into a folder."""
    assert isinstance(target, Path)
    with atomic_folder(target) as folder:
        yield _Silent(lambda frame, n: Image.fromarray(frame).save(folder / f"{n:06d}.png"), fps, marking)


@contextmanager
def _gif(target: Target, size: int, fps: Fraction, marking: Marking | None) -> Iterator[Sink]:
    """Write an animated GIF; all frames share the colours of the first one."""
    assert isinstance(target, Path)
    with replacing(target) as part, av.open(str(part), mode="w", format="gif") as out:
        stream = out.add_stream("gif", rate=fps)
        stream.width = stream.height = size
        stream.pix_fmt = "pal8"
        palette: list[Image.Image] = []

        def put(frame: np.ndarray, number: int) -> None:
            image = Image.fromarray(frame)
            if not palette:
                palette.append(image.quantize(255, dither=Image.Dither.NONE))
            indices = np.asarray(image.quantize(palette=palette[0], dither=Image.Dither.NONE))
            picture = av.VideoFrame.from_ndarray((indices, _argb(palette[0])), format="pal8")  # type: ignore[arg-type]
            picture.pts, picture.time_base = number, 1 / fps
            out.mux(stream.encode(picture))

        yield _Silent(put, fps, marking)
        out.mux(stream.encode(None))


@contextmanager
def _window(target: Target, size: int, fps: Fraction, marking: Marking | None) -> Iterator[Sink]:
    """Show each frame at once; nothing is written to `target`."""
    from s2vkit.media.window import Window  # wants an extra

    with Window(size) as window:
        yield _Silent(lambda frame, _: window.show(frame), fps, marking)


def _argb(image: Image.Image) -> np.ndarray:
    """Return the palette of an image: (256, 4) uint8."""
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 0] = 255
    own = np.array(image.getpalette() or [], np.uint8).reshape(-1, 3)[:256]
    colours[: len(own), 1:] = own
    return colours


class Resizer:
    """Brings square uint8 frames (N, h, h, 3) to another size, bicubic, or averaged where smaller."""

    def __init__(self, size: int) -> None:
        self.size, self._painter = size, VideoReformatter()

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Resize: (N, size, size, 3)."""
        if frames.shape[1] == self.size or not len(frames):
            return frames
        how = Interpolation.AREA if frames.shape[1] > self.size else Interpolation.BICUBIC
        return np.stack([self._one(frame, how) for frame in frames])

    def _one(self, frame: np.ndarray, how: Interpolation) -> np.ndarray:
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        sides = (self.size, self.size)
        return self._painter.reformat(picture, *sides, "rgb24", interpolation=how, threads=1).to_ndarray()
