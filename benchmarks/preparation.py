"""Speed of cutting videos into clips, against decoding them only and against detecting always.

    python benchmarks/preparation.py [VIDEO ...]

Without videos it makes three of its own, like VoxCeleb2's, CREMA-D's and a phone's; give real
ones for figures with real faces. One thread. Needs s2vkit[faces] for the second half.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from measuring import best_of, machine
from PIL import Image

from s2vkit.data.preparation.cut import Cutting, Rejected, cut_source
from s2vkit.interfaces.dataset import Source
from s2vkit.media import VideoWriter
from s2vkit.plugins import registry

SIZES = {"voxceleb2-like": (224, 224, 5), "crema-d-like": (480, 360, 3), "phone-like": (1280, 720, 2)}


def main(paths: list[Path]) -> None:
    """Print a line for each video."""
    torch.set_num_threads(1)
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for path in paths or list(made(Path(folder))):
            report(path)


def made(folder: Path) -> Iterator[Path]:
    """Write videos of a drawn face of the synthetic corpus, enlarged, with noise as of a camera."""
    entry = registry().get("dataset", "synthetic")
    clip = entry.load()(entry.options(speakers=2, sentences=3, size=128), seed=1).load(0)
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 2, (5, 720, 1280, 3))
    for name, (width, height, seconds) in SIZES.items():
        side = round(0.9 * height)
        count = seconds * 25
        speech = np.resize(clip.speech, seconds * 16000)
        with VideoWriter(folder / f"{name}.mp4", (width, height), 25, speech) as out:
            for k in range(count):
                face = Image.fromarray(clip.frames[k % len(clip.frames)]).resize((side, side))
                canvas = Image.new("RGB", (width, height), (90, 110, 120))
                canvas.paste(face, ((width - side) // 2, height - side))
                noisy = np.asarray(canvas) + grain[k % 5, :height, :width]
                out.write(noisy.clip(0, 255).astype(np.uint8)[None])
        yield folder / f"{name}.mp4"


def decode(path: Path, *, rgb: bool = False) -> int:
    """Decode all pictures and sound of a video on one thread, and nothing else."""
    count = 0
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        video.thread_type, video.thread_count = "NONE", 1
        for packet in container.demux(video, *container.streams.audio[:1]):
            for frame in packet.decode():
                count += isinstance(frame, av.VideoFrame)
                if rgb and isinstance(frame, av.VideoFrame):
                    frame.to_ndarray(format="rgb24")
    return count


def detector(name: str) -> Any:
    """Build a face detector with its default options."""
    entry = registry().get("face_detector", name)
    return entry.load()(entry.options())


def cut(path: Path, cutting: Cutting, eyes: Any) -> str:
    """Cut one video; what it was rejected for, if it was."""
    try:
        cut_source(Source("a", path, {}, "train"), cutting, eyes)
    except Rejected as aside:
        return aside.reason
    return ""


def report(path: Path) -> None:
    """Print the frames a second of one video, each way, and the two ratios."""
    count, cutting, whole, eyes = decode(path), Cutting(), detector("none"), detector("mtcnn")
    ways = {"decode": partial(decode, path), "rgb": partial(decode, path, rgb=True)}
    best = best_of(ways | {"none": partial(cut, path, cutting, whole)})
    share, of_rgb = best["decode"] / best["none"], best["rgb"] / best["none"]
    print(
        f"{path.name}: {count} frames; decode only {count / best['decode']:.0f} fps, to RGB "
        f"{count / best['rgb']:.0f}, cut with 'none' {count / best['none']:.0f}: "
        f"{share:.0%} of decoding, {of_rgb:.0%} of decoding to RGB",
        flush=True,
    )
    always = replace(cutting, every=1)
    if aside := cut(path, cutting, eyes):
        print(f"  mtcnn: rejected ({aside}), so times of detection only:")
    some = {"some": partial(cut, path, cutting, eyes), "all": partial(cut, path, always, eyes)}
    best = best_of(some, rounds=1)
    print(
        f"  mtcnn every {cutting.every} frames {count / best['some']:.1f} fps, in every frame "
        f"{count / best['all']:.1f}: {best['all'] / best['some']:.1f} times as fast",
        flush=True,
    )


if __name__ == "__main__":
    main([Path(text) for text in sys.argv[1:]])
