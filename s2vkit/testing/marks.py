"""The check of what marks videos."""

from __future__ import annotations

import numpy as np

from s2vkit.interfaces.watermark import Watermark
from s2vkit.testing.checking import SIZE, Subject

_FRAMES, _FPS = 50, 25.0
_LEAST_PSNR = 30.0  # dB; marks that are seen are none


def check_watermark(subject: Subject) -> None:
    """Check that a mark is invisible, the same however frames are split, and read where it is alone."""
    mark = subject.build()
    subject.require_contract(mark, Watermark)
    subject.require_attributes(mark, bits=int, side=int, window=(int, float))
    subject.require(mark.bits >= 1, f"its payload has {mark.bits} bits")
    frames = _scene()
    payload = 0b1011001110001011 % 2**mark.bits
    before = frames.copy()
    marked = mark.embed(frames, 0, _FPS, payload)
    said = f"marked frames are {marked.dtype} {marked.shape}, not those given"
    subject.require(marked.dtype == np.uint8 and marked.shape == frames.shape, said)
    subject.require(np.array_equal(frames, before), "it changes the frames that it is given")
    error = np.square(marked.astype(np.float32) - frames).mean()
    psnr = 10 * np.log10(255**2 / max(float(error), 1e-9))
    subject.require(psnr >= _LEAST_PSNR, f"its mark is visible: PSNR {psnr:.1f} dB")
    parts = [mark.embed(frames[:7], 0, _FPS, payload), mark.embed(frames[7:], 7, _FPS, payload)]
    split = np.array_equal(np.concatenate(parts), marked)
    subject.require(split, "frames given in two parts are marked otherwise than at once")
    times = np.arange(_FRAMES) / _FPS
    found = mark.detect(marked.mean(-1, dtype=np.float32), times)
    subject.require(found.found and found.payload == payload, f"its own mark is read as {found}")
    unmarked = mark.detect(frames.mean(-1, dtype=np.float32), times)
    subject.require(not unmarked.found, f"it finds a mark in unmarked frames: {unmarked}")
    subject.require(unmarked.payload is None, "it gives the payload of a mark that it did not find")


def _scene() -> np.ndarray:
    """Draw smooth colours that move: uint8 (N, SIZE, SIZE, 3)."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    scene = np.empty((_FRAMES, SIZE, SIZE, 3), np.uint8)
    for t in range(_FRAMES):
        moved = 0.1 * np.sin(t / 9)
        waves = [np.sin(6 * (x + moved) + k) + np.cos(5 * (y - moved) * (k + 1)) for k in range(3)]
        scene[t] = np.rint(128 + 45 * np.stack(waves, -1))
    return scene
