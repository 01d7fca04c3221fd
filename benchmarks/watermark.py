"""What the watermark survives, and what it costs, on clips of your own.

python benchmarks/watermark.py CLIP...              tables of what is read after each change, as Markdown
python benchmarks/watermark.py --unmarked 10000 CLIP...   count false positives under as many keys

Each clip is cut to its central square, 2 s of it are scaled to each size, marked, written as H.264 at
CRF 18 as `generate` does, changed, and written again at the CRF that the change names.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from s2vkit_watermark import SpreadSpectrumOptions
from s2vkit_watermark.detector import match_anywhere, match_in_place
from s2vkit_watermark.mark import SpreadSpectrum, demodulate
from s2vkit_watermark.pattern import Pattern

FRAMES, FPS, PAYLOAD = 50, 25, 0xA5C3
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
Change = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--unmarked", type=int, default=0, metavar="N")
    asked = parser.parse_args()
    if asked.unmarked:
        count_false_positives(asked.clips, asked.unmarked)
    else:
        tabulate(asked.clips, asked.sizes)


def tabulate(clips: list[Path], sizes: list[int]) -> None:
    """Print, for each size, PSNR, cost, and of how many clips all bits are read after each change."""
    mark = SpreadSpectrum(SpreadSpectrumOptions())
    read: dict[str, list[str]] = {}
    for size in sizes:
        psnrs, costs, found = [], [], dict[str, list[float]]()
        for path in clips:
            frames = scaled(central(path), size)
            mark.embed(frames[:8], 0, FPS, PAYLOAD)  # draws the pattern, once a video
            start = time.perf_counter()
            marked = mark.embed(frames, 0, FPS, PAYLOAD)
            costs.append((time.perf_counter() - start) / len(frames) * 1e3)
            psnrs.append(10 * np.log10(255**2 / np.square(marked.astype(float) - frames).mean()))
            written = recode(marked, 18)
            for name, change in changes(size).items():
                found.setdefault(name, []).append(score(mark, change(written)))
        read["PSNR, dB, lowest and mean"] = read.get("PSNR, dB, lowest and mean", [])
        read["PSNR, dB, lowest and mean"].append(f"{min(psnrs):.1f}, {np.mean(psnrs):.1f}")
        read.setdefault("ms a frame", []).append(f"{np.median(costs):.2f}")
        for name, scores in found.items():
            good = sum(s > 0 for s in scores)
            read.setdefault(name, []).append(f"{good} of {len(scores)} ({min(scores):+.0f})")
    print("| change |", *(f"{size} px |" for size in sizes))
    print("|---|" + "---|" * len(sizes))
    for name, cells in read.items():
        print(f"| {name} |", *(f"{cell} |" for cell in cells), flush=True)


def score(mark: SpreadSpectrum, frames: np.ndarray, fps: float = FPS) -> float:
    """Say by how much the score exceeds the threshold; negative where the bits are not all read."""
    small = scaled_to_side(frames, mark.side)
    found = mark.detect(small @ LUMA, np.arange(len(frames)) / fps)
    margin = found.score - found.threshold
    return margin if found.payload == PAYLOAD else -abs(margin)


def changes(size: int) -> dict[str, Change]:
    """Give what is done to a written clip, by name."""
    tenth, half = max(2, size // 10), size // 2
    return {
        "as written": lambda f: f,
        "CRF 28": lambda f: recode(f, 28),
        "CRF 23, then 28": lambda f: recode(recode(f, 23), 28),
        "CRF 33": lambda f: recode(f, 33),
        "half the size, CRF 23": lambda f: recode(scaled(f, half), 23),
        "half the size, CRF 28": lambda f: recode(scaled(f, half), 28),
        "half and back, CRF 23": lambda f: recode(scaled(recode(scaled(f, half), 23), size), 23),
        "twice the size, CRF 28": lambda f: recode(scaled(f, 2 * size), 28),
        "10 % cropped at the sides, CRF 23": lambda f: recode(f[:, :, tenth // 2 : tenth // 2 - tenth], 23),
        "10 % cropped each way, CRF 28": lambda f: recode(f[:, tenth:, :-tenth], 28),
        "20 % cropped each way, CRF 23": lambda f: recode(f[:, 2 * tenth :, : -2 * tenth], 23),
        "cropped and enlarged back, CRF 23": lambda f: recode(scaled(f[:, tenth:, :-tenth], size), 23),
        "bars of a quarter above and below, CRF 23": lambda f: recode(barred(f), 23),
        "brighter by 30, CRF 28": lambda f: recode(levels(f, lambda v: v + 30), 28),
        "gamma 1.4, CRF 28": lambda f: recode(levels(f, lambda v: 255 * (v / 255) ** 1.4), 28),
        "gamma 0.7, CRF 28": lambda f: recode(levels(f, lambda v: 255 * (v / 255) ** 0.7), 28),
        "contrast 0.6, CRF 23": lambda f: recode(levels(f, lambda v: 128 + 0.6 * (v - 128)), 23),
        "noise of 8 levels, CRF 23": lambda f: recode(noisy(f, 8), 23),
        "mirrored, CRF 23": lambda f: recode(f[:, :, ::-1], 23),
        "turned by 1 degree, CRF 23": lambda f: recode(turned(f, 1), 23),
        "turned by 3 degrees, CRF 23": lambda f: recode(turned(f, 3), 23),
        "stretched by 10 % in width, CRF 23": lambda f: recode(scaled(f, round(size * 1.1), size), 23),
        "1.2 s alone, CRF 23": lambda f: recode(f[-30:], 23),
        "every second frame left out, CRF 23": lambda f: recode(f[::2], 23).repeat(2, 0),
        "played 10 % faster": lambda f: f[
            np.linspace(0, len(f) - 1, round(len(f) / 1.1)).round().astype(int)
        ],
        "mean of two frames": lambda f: ((f[1:].astype(int) + f[:-1]) // 2).astype(np.uint8),
        "mean of five frames": lambda f: np.stack([f[i : i + 5].mean(0) for i in range(len(f) - 4)]),
    }


def count_false_positives(clips: list[Path], wanted: int) -> None:
    """Search unmarked stretches, each under a key of its own, and count what would be called marked."""
    pictures = [picture for path in clips for picture in stretches(path)]
    print(f"{len(pictures)} stretches of {len(clips)} clips, searched under {wanted} keys", flush=True)
    bounds, scores = [], []
    for n in range(wanted):
        pattern, picture = Pattern(f"key {n}"), pictures[n % len(pictures)]
        for match in (match_in_place(pattern, picture), match_anywhere(pattern, picture)):
            bounds.append(match.bound)
        scores.append(match.score)
        if (n + 1) % 1000 == 0 or n + 1 == wanted:
            called = sum(bound <= 1e-6 for bound in bounds)
            top = np.percentile(scores, [50, 99, 100]).round(1)
            print(f"{n + 1}: {called} called marked; scores, median, 99 %, greatest: {top}", flush=True)


def stretches(path: Path) -> Iterator[np.ndarray]:
    """Demodulate every stretch of 2 s of a clip, each half a second on."""
    luma = scaled(central(path, 500), 64) @ LUMA
    for start in range(0, len(luma) - FRAMES + 1, FPS // 2):
        yield demodulate(luma[start : start + FRAMES], np.arange(FRAMES) / FPS)


def central(path: Path, most: int = FRAMES) -> np.ndarray:
    """Decode the central square of at most `most` frames: uint8 (N, S, S, 3)."""
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            side = min(frame.width, frame.height)
            top, left = (frame.height - side) // 2, (frame.width - side) // 2
            frames.append(frame.to_ndarray(format="rgb24")[top : top + side, left : left + side])
            if len(frames) == most:
                break
    return np.stack(frames)


def scaled(frames: np.ndarray, width: int, height: int | None = None) -> np.ndarray:
    """Scale frames: by areas where they become smaller."""
    way = "AREA" if width < frames.shape[2] else "BICUBIC"
    return np.stack(
        [picture(f).reformat(width, height or width, interpolation=way).to_ndarray() for f in frames]
    )


def scaled_to_side(frames: np.ndarray, side: int) -> np.ndarray:
    """Scale frames down so that their shorter side has `side` pixels."""
    height, width = frames.shape[1:3]
    scale = min(1.0, side / min(height, width))
    return scaled(frames.astype(np.uint8), round(width * scale), round(height * scale))


def picture(frame: np.ndarray) -> av.VideoFrame:
    """Give an RGB frame to FFmpeg."""
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")


def recode(frames: np.ndarray, crf: int) -> np.ndarray:
    """Write frames as H.264 and decode them."""
    frames = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    encoder, decoder = av.CodecContext.create("libx264", "w"), av.CodecContext.create("h264", "r")
    encoder.height, encoder.width = frames.shape[1:3]
    encoder.pix_fmt, encoder.framerate, encoder.options = "yuv420p", FPS, {"crf": str(crf)}
    encoder.time_base = 1 / encoder.framerate
    packets = []
    for n, frame in enumerate(frames):
        shown = picture(frame).reformat(format="yuv420p")
        shown.pts = n
        packets += encoder.encode(shown)
    packets += encoder.encode(None)
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return np.stack([frame.to_ndarray(format="rgb24") for frame in decoded])


def levels(frames: np.ndarray, change: Change) -> np.ndarray:
    """Change the grey levels."""
    return change(frames.astype(np.float32)).clip(0, 255).astype(np.uint8)


def noisy(frames: np.ndarray, level: float) -> np.ndarray:
    """Add noise to every pixel and frame."""
    return levels(frames, lambda v: v + np.random.default_rng(0).normal(0, level, v.shape))


def barred(frames: np.ndarray) -> np.ndarray:
    """Put black bars above and below."""
    bar = frames.shape[1] // 4
    return np.pad(frames, [(0, 0), (bar, bar), (0, 0), (0, 0)])


def turned(frames: np.ndarray, degrees: float) -> np.ndarray:
    """Turn frames about their middle."""
    from PIL import Image

    return np.stack(
        [np.asarray(Image.fromarray(f).rotate(degrees, Image.Resampling.BICUBIC)) for f in frames]
    )


if __name__ == "__main__":
    main()
