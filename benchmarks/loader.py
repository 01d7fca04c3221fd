"""Speed of reading random windows, against random access into the mp4s themselves.

    python benchmarks/loader.py [ROOT CORPUS]

ROOT is a folder of mp4s, CORPUS what `s2vkit prepare --dataset folder` made of it; without them
it makes some, like VoxCeleb2's. A window is 4 frames drawn at random of a clip drawn at random,
as a training step draws them; of an mp4 they are sought, decoded and scaled, nothing more. One
thread; processor time.
"""

from __future__ import annotations

import sys
import tempfile
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from measuring import best_of, machine
from PIL import Image

from s2vkit.data.corpus import FootageCorpus, unpack
from s2vkit.data.preparation.outcome import read_report
from s2vkit.data.shards.shard_store import ShardStore
from s2vkit.data.store import ClipStore
from s2vkit.media import VideoWriter
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_slot

FRAMES = 4  # of a window
WINDOWS = {"random access into the mp4s": 25, "shards": 100, "memory-mapped crop cache": 1000}
_RANDOM = np.random.default_rng(0)


def main(root: Path | None, corpus: Path | None) -> None:
    """Measure and print."""
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if root is None or corpus is None:
            root, corpus = make(folder / "videos"), folder / "corpus"
            prepare(root, corpus)
        shards = ShardStore(corpus)
        (folder / "cache").mkdir()
        unpack(shards, folder / "cache", lambda done, total: None)
        prepared = [row["file"] for row in read_report(corpus) if row["status"] == "prepared"]
        videos = [root / name for name in prepared if name.endswith(".mp4")]
        read = {
            "random access into the mp4s": partial(sought, videos, shards.index.size),
            "shards": partial(window, shards),
            "memory-mapped crop cache": partial(window, ClipStore(folder / "cache")),
        }
        spent = best_of({name: partial(times, WINDOWS[name], way) for name, way in read.items()})
    rates = {name: WINDOWS[name] * FRAMES / seconds for name, seconds in spent.items()}
    print(f"{len(videos)} mp4s; {len(shards.clips)} clips, {shards.index.size} pixels")
    slowest = rates["random access into the mp4s"]
    for name, rate in rates.items():
        print(f"{name:<30} {rate:10.0f} frames/s {rate / slowest:8.1f} times")


def times(count: int, read: partial[None]) -> None:
    """Read many windows."""
    for _ in range(count):
        read()


def window(store: ClipStore) -> None:
    """Read a window of a prepared corpus."""
    clip = int(_RANDOM.integers(len(store.clips)))
    store.frames(clip, np.sort(_RANDOM.integers(store.clips[clip].frames, size=FRAMES)))


def sought(videos: list[Path], size: int) -> None:
    """Read a window of a video: seek to each frame, decode up to it, scale it."""
    with av.open(str(videos[_RANDOM.integers(len(videos))])) as container:
        stream = container.streams.video[0]
        length = float(stream.duration * stream.time_base)
        for when in np.sort(_RANDOM.uniform(0, 0.95 * length, FRAMES)):
            container.seek(int(Fraction(float(when)) / stream.time_base), stream=stream)
            frame = next(f for f in container.decode(stream) if f.time >= when - 0.04)
            Image.fromarray(frame.to_ndarray(format="rgb24")).resize((size, size))


def make(root: Path, videos: int = 6, seconds: int = 7, size: int = 224) -> Path:
    """Write mp4s of a drawn face of the synthetic corpus, as large and long as VoxCeleb2's."""
    root.mkdir()
    entry = registry().get("dataset", "synthetic")
    faces = entry.load()(entry.options(speakers=2, sentences=3, size=size), seed=1)
    grain = np.random.default_rng(0).normal(0, 2, (5, size, size, 3))
    for n in range(videos):
        clip, count = faces.load(n), seconds * 25
        speech = np.resize(clip.speech, seconds * 16000)
        with VideoWriter(root / f"{n}.mp4", (size, size), 25, speech) as out:
            for k in range(count):
                noisy = clip.frames[k % len(clip.frames)] + grain[k % 5]
                out.write(noisy.clip(0, 255).astype(np.uint8)[None])
    return root


def prepare(root: Path, out: Path) -> None:
    """Cut the videos, which are faces already."""
    sets = [f"root='{root}'", f"corpus='{out}'", "face_detector=none"]
    slot = load_slot("dataset", "folder", sets, registry())
    detector = slot.options.face_detector
    built = registry().get("dataset", "folder").load()(slot.options, seed=0)
    find = partial(registry().get("face_detector", "none").load(), detector.options)
    corpus = FootageCorpus("folder", slot.options, built, 0, detector, find)
    corpus.prepare(workers=1, progress=lambda done, total: None)


if __name__ == "__main__":
    given = [Path(word) for word in sys.argv[1:3]]
    main(*given) if len(given) == 2 else main(None, None)
