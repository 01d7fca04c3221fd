"""What evaluating videos costs: processor seconds a clip, by what is done, and the memory it takes.

python benchmarks/evaluation.py OUT [--real DIR] [--clips 20] makes clips of 5 s at 256 px, of the faces in
DIR or of coloured noise, and as many with grain as those of a generator; measures them with the default
metrics, in one thread, and prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from measuring import load, machine, print_table, stopwatch
from PIL import Image

from s2vkit.device import keep_freed_memory
from s2vkit.media import VideoWriter, read_frames
from s2vkit.media.folders import VIDEOS, media_of
from s2vkit.plugins import registry
from s2vkit.videos.build import build_detector, metric_makers
from s2vkit.videos.outcomes import Preparer
from s2vkit.videos.pairs import find_pairs
from s2vkit.videos.protocol import load_protocol

SIDE, FPS, SECONDS, RATE = 256, 25, 5, 16000


def faces(folder: Path | None, clips: int) -> list[np.ndarray]:
    """Read or make the pictures (V, SIDE, SIDE, 3) of so many clips."""
    rng, count = np.random.default_rng(0), FPS * SECONDS
    if folder is None:
        shapes = [rng.integers(0, 256, (12, 16, 16, 3), np.uint8) for _ in range(clips)]
    else:
        shapes = [
            read_frames(path, count)[0] for path in islice(cycle(media_of(folder, VIDEOS).values()), clips)
        ]
    return [
        np.stack(
            [np.asarray(Image.fromarray(one).resize((SIDE, SIDE))) for one in islice(cycle(shape), count)]
        )
        for shape in shapes
    ]


def write(out: Path, clips: list[np.ndarray]) -> None:
    """Write every clip as it is, and with grain."""
    rng = np.random.default_rng(1)
    for number, frames in enumerate(clips):
        speech = rng.normal(0, 0.1, RATE * SECONDS).astype(np.float32)
        grainy = (frames + rng.integers(-8, 9, frames.shape)).clip(0, 255).astype(np.uint8)
        for which, shown in (("real", frames), ("generated", grainy)):
            (out / which).mkdir(parents=True, exist_ok=True)
            path = out / which / f"c{number:03d}.mp4"
            with VideoWriter(path, (SIDE, SIDE), FPS, speech, RATE) as writer:
                writer.write(shown)


def main() -> None:
    """Make, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--clips", type=int, default=20)
    asked = parser.parse_args()
    write(asked.out, faces(asked.real, asked.clips))
    torch.set_num_threads(1)
    keep_freed_memory()
    protocol = load_protocol(None, ["face_detector=none"], {}, registry())
    preparer = Preparer(protocol, build_detector(protocol, registry()))
    makers, _ = metric_makers(protocol, registry(), True, lambda name: True)
    metrics = {name: make() for name, make in makers.items()}
    pairs, _ = find_pairs(asked.out / "generated", asked.out / "real", None, {})
    preparer.prepare(pairs[0])  # what is imported late
    seconds: Counter[str] = Counter()
    for pair in pairs:
        with stopwatch() as watch:
            outcomes = preparer.prepare(pair).outcomes  # several, where a face in DIR is cut
        seconds["reading and cropping"] += watch.seconds
        for name, metric in metrics.items():
            with stopwatch() as watch:
                for outcome in outcomes:
                    metric.update(outcome)
            seconds[f"`{name}`"] += watch.seconds
    rows = [
        [name, f"{total / len(pairs):.2f}"] for name, total in (*seconds.items(), ("all", seconds.total()))
    ]
    print(f"{machine()}; {load()}; {len(pairs)} clips\n")
    print_table(("what", "processor seconds a clip"), rows)
    unit = 1 if sys.platform == "darwin" else 1024
    print(f"\nmost memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
