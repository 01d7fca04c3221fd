"""Looking for watermarks in any video, a stretch at a time, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2vkit.errors import InputError
from s2vkit.interfaces.watermark import Detection, Watermark
from s2vkit.media.film import Film, Scaler

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_RATE = 30.0  # pictures a second that are looked at, at most


@dataclass(frozen=True)
class Found:
    """A watermark that was found in a video."""

    name: str  # of the component
    detection: Detection
    start: float  # s, of the stretch
    end: float


def find_watermark(path: Path, watermarks: Mapping[str, Watermark], seconds: float) -> Found | None:
    """Find the first stretch of a video that bears one of the watermarks, within its first `seconds`.

    None if there is none, or where the file has no pictures.
    """
    if not watermarks:
        return None
    side = max(mark.side for mark in watermarks.values())
    window = max(mark.window for mark in watermarks.values())
    try:
        for luma, times in _stretches(path, side, window, seconds):
            for name, mark in watermarks.items():
                detection = mark.detect(luma, times)
                if detection.found:
                    return Found(name, detection, float(times[0]), float(times[-1]))
    except InputError:  # no video
        return None
    return None


def _stretches(
    path: Path, side: int, window: float, seconds: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut a video into stretches that overlap by a half: luma (N, h, w) and times (N,)."""
    kept: list[tuple[float, np.ndarray]] = []
    fresh = False  # whether there are pictures that no stretch has had
    for time, luma in _pictures(path, side, seconds):
        if kept and time - kept[0][0] >= window:
            yield _stacked(kept)
            kept, fresh = [pair for pair in kept if time - pair[0] <= window / 2], False
        kept.append((time, luma))
        fresh = True
    if fresh and kept:
        yield _stacked(kept)


def _pictures(path: Path, side: int, seconds: float) -> Iterator[tuple[float, np.ndarray]]:
    with Film(path) as film:
        scale = min(1.0, side / max(2.0, min(film.width * film.aspect, film.height)))
        scaler, last = Scaler(film, scale), -np.inf
        for time, frame in film:
            time -= film.origin
            if time > seconds:
                return
            if time - last < 0.5 / _RATE:
                continue
            last = time
            yield time, scaler(frame).astype(np.float32) @ _LUMA


def _stacked(kept: list[tuple[float, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    shape = kept[-1][1].shape
    same = [(time, luma) for time, luma in kept if luma.shape == shape]  # a stream may change its size
    return np.stack([luma for _, luma in same]), np.array([time for time, _ in same])
