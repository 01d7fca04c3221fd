"""Long recordings: the memory of `s2vkit generate` beside that of a minute, and if pieces give the whole.

python benchmarks/long_recordings.py runs/speech2video --speech some_minutes.wav
python benchmarks/long_recordings.py runs/speech2video --minutes 0 --compare 60

Memory is the peak resident set of the whole process, as `/usr/bin/time -f %M` prints it. It includes
some 125 MB of torch's own library that torch reads while it exits, whatever the length. The speech
is repeated, at another level each time, up to the length asked for.

Frames are compared as they come, in [-1, 1], with speaker and emotion asked for by name: those of
the recording as `generate` makes them with those from other pieces, so many at once. With the
live level, which follows the speech as in `model.stream`, both sides have it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from measuring import load, machine, print_table
from torch import Tensor

import s2vkit
from s2vkit.inference.entrance import loudness_of
from s2vkit.inference.frame_stream import FrameStream, Scene
from s2vkit.inference.model import TalkingFaceModel
from s2vkit.inference.speed import made_up_speech
from s2vkit.media import read_speech

RATE, BLOCK = 16000, 4.0  # s; what `generate` reads at once


class Repeated:
    """Speech at `RATE`, over and over at changing levels: a recording of any length in no memory."""

    def __init__(self, speech: np.ndarray, minutes: float) -> None:
        self.speech, self.samples = speech, int(60 * minutes * RATE)

    def blocks(self, longest: int, *, vary: bool = False) -> Iterator[np.ndarray]:
        """Yield it from its start in pieces of a length, or of random lengths up to that."""
        random, more, ready = np.random.default_rng(1), self._repeats(), np.zeros(0, np.float32)
        left = self.samples
        while left:
            count = min(left, int(random.integers(1, longest + 1)) if vary else longest)
            while len(ready) < count:
                ready = np.concatenate([ready, next(more)])
            yield ready[:count]
            ready, left = ready[count:], left - count

    def _repeats(self) -> Iterator[np.ndarray]:
        random = np.random.default_rng(0)
        while True:
            yield self.speech * np.float32(random.uniform(0.4, 1))

    def write(self, path: Path) -> None:
        """Write it as a 16-bit wav."""
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            for block in self.blocks(60 * RATE):
                file.writeframes((block.clip(-1, 1) * 32767).astype("<i2").tobytes())


def peak_of(command: list[str]) -> float:
    """Run a command: the peak of its resident set, in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def memory(given: argparse.Namespace, speech: np.ndarray) -> None:
    """Generate a minute and the length asked for, and print the memory of each."""
    rows: list[tuple[str, ...]] = []
    options = ["--force", "--device", "cpu", *(["--no-mark"] if given.no_mark else [])]
    least = 0.0
    with tempfile.TemporaryDirectory() as folder:
        source, video = Path(folder) / "speech.wav", Path(folder) / "out.mp4"
        names = [str(given.model), str(source), "-o", str(video)]
        for minutes in (1.0, given.minutes):
            Repeated(speech, minutes).write(source)
            peak = peak_of([sys.executable, "-m", "s2vkit", "generate", *names, *options])
            least = least or peak
            size = video.stat().st_size / 1e6
            rows.append((f"{minutes:g}", f"{size:.1f}", f"{peak:.0f}", f"{peak / least - 1:+.1%}"))
    print_table(("minutes", "MB of the file", "peak MB", "more than a minute's"), rows)


def drawn(
    model: TalkingFaceModel, scene: Scene, pieces: Iterable[np.ndarray], chunk: int | None
) -> Iterator[Tensor]:
    """Draw speech that comes in pieces, one frame after the other."""
    stream = FrameStream(model.pipeline, scene, chunk=chunk)
    yield from chain.from_iterable(frames for piece in pieces for frames in stream.push(piece))
    yield from chain.from_iterable(stream.finish())


def farthest(one: Iterator[Tensor], other: Iterator[Tensor]) -> tuple[int, float]:
    """Go through two videos side by side: their frames, and the greatest difference of a value."""
    differences = [float((mine - theirs).abs().max()) for mine, theirs in zip(one, other, strict=True)]
    return len(differences), max(differences)


def compare(given: argparse.Namespace, speech: np.ndarray) -> None:
    """Print how far frames made in pieces are from those of the whole."""
    model = s2vkit.load(given.model, device="cpu")
    recording = Repeated(speech, given.compare)
    steering = model.steer(RATE, identity=model.voices[0], emotion=model.emotions[0])
    loudness = loudness_of(model.pipeline.graph.encoder, recording.blocks(int(BLOCK * RATE)))
    known, live = Scene(steering, {}, loudness), Scene(steering, {})
    whole = partial(recording.blocks, int(BLOCK * RATE))
    cases = {
        "37 ms, frame by frame": (known, partial(recording.blocks, int(0.037 * RATE)), 1),
        "up to 0.5 s, 7 frames at once": (known, partial(recording.blocks, RATE // 2, vary=True), 7),
        "37 ms, frame by frame, live level": (live, partial(recording.blocks, int(0.037 * RATE)), 1),
    }
    rows: list[tuple[str, ...]] = []
    for name, (scene, pieces, chunk) in cases.items():
        count, most = farthest(drawn(model, scene, whole(), None), drawn(model, scene, pieces(), chunk))
        rows.append((name, f"{count}", f"{most:.1e}"))
        print(*rows[-1], file=sys.stderr, flush=True)
    print_table(("pieces", "frames", "greatest difference from the whole"), rows)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path, help="a run folder or a bundle")
    parser.add_argument("--speech", type=Path, help="a recording to repeat; by default made-up sound")
    parser.add_argument("--minutes", type=float, default=60.0, help="whose memory is measured; 0: none")
    parser.add_argument(
        "--compare", type=float, default=20.0, help="minutes whose frames are compared; 0: none"
    )
    parser.add_argument("--no-mark", action="store_true", help="measure without watermark and signature")
    given = parser.parse_args()
    torch.set_num_threads(1)
    speech = read_speech(given.speech, RATE).samples if given.speech else made_up_speech(60, RATE)
    print(f"{machine()}, {load()}\n")
    if given.minutes:
        memory(given, speech)
        print()
    if given.compare:
        compare(given, speech)


if __name__ == "__main__":
    main()
