"""How fast the loader reads random windows, against random access into the mp4s themselves.

    python benchmarks/loader.py ROOT CORPUS [SECONDS]

ROOT is a folder of videos, CORPUS what `s2vkit prepare --dataset folder` made of it. A window
is `FRAMES` frames drawn at random of a clip drawn at random, as a training step draws them; of
an mp4 they are sought, decoded and scaled, without finding a face.
"""

from __future__ import annotations

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from measuring import rates, report
from PIL import Image

from s2vkit.data.corpus import unpack
from s2vkit.data.outcome import read_report
from s2vkit.data.shard_store import ShardStore
from s2vkit.data.store import ClipStore

FRAMES = 4
_RANDOM = np.random.default_rng(0)


def windows(store: ClipStore) -> int:
    """Read a window of a prepared corpus."""
    clip = int(_RANDOM.integers(len(store.clips)))
    at = _RANDOM.integers(store.clips[clip].frames, size=FRAMES)
    return len(store.frames(clip, np.sort(at)))


def sought(videos: list[Path], size: int) -> int:
    """Read a window of a video: seek to each frame, decode up to it, scale it."""
    with av.open(str(videos[_RANDOM.integers(len(videos))])) as container:
        stream = container.streams.video[0]
        length = float(stream.duration * stream.time_base)
        for when in np.sort(_RANDOM.uniform(0, 0.95 * length, FRAMES)):
            container.seek(int(Fraction(float(when)) / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.time is None or frame.time - float(stream.start_time or 0) >= when - 0.04:
                    break
            Image.fromarray(frame.to_ndarray(format="rgb24")).resize((size, size))
    return FRAMES


def main(root: str, corpus: str, seconds: float = 20.0) -> None:
    """Measure and print."""
    shards = ShardStore(Path(corpus))
    prepared = [row["file"] for row in read_report(Path(corpus)) if row["status"] == "prepared"]
    videos = [Path(root) / name for name in prepared if name.endswith(".mp4")]
    with tempfile.TemporaryDirectory() as folder:
        unpack(shards, Path(folder), lambda done, total: None)
        cache = ClipStore(Path(folder))
        ways = {
            "random access into the mp4s": lambda: sought(videos, shards.index.size),
            "shards (JPEG in tar)": lambda: windows(shards),
            "memory-mapped crop cache": lambda: windows(cache),
        }
        measured = rates(ways, seconds)
    print(f"{len(videos)} mp4s, {len(shards.clips)} clips of {shards.index.size} pixels, "
          f"windows of {FRAMES} frames")  # fmt: skip
    report(measured, "frames/s", "random access into the mp4s")


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(float, sys.argv[3:4]))
