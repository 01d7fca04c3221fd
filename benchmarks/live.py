"""Frames while somebody speaks: their delay at the pace of speech, or hours as fast as they can be drawn.

python benchmarks/live.py runs/speech2video --minutes 10     delays, beside a loop that only sleeps
python benchmarks/live.py runs/speech2video --hours 8        drift of sound and picture, memory, speed

Speech comes in pieces of 20 ms at the pace of a clock, as a sound card gives them. The loop beside it
is a process of its own that sleeps until each frame is due: what it is late by is the machine's
doing. Identity and emotion are recognised as speech comes; `--ask` asks for both by name instead.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from measuring import load, machine, print_table

import s2vkit
from s2vkit.inference.live_film import LiveFilm
from s2vkit.inference.model import TalkingFaceModel
from s2vkit.inference.speed import made_up_speech
from s2vkit.media import read_speech

RATE, PIECE, FPS = 16000, 0.02, 25.0
HOUR, BLOCK = 3600, 1.0  # s; what is pushed at once where the clock does not count


def until(moment: float) -> None:
    """Sleep until a moment of the clock, if it is still to come."""
    time.sleep(max(0.0, moment - time.perf_counter()))


def tick(seconds: float) -> None:
    """Sleep until each frame is due, and print in ms how late each wake-up was."""
    begun, late = time.perf_counter(), []
    for number in range(1, int(seconds * FPS)):
        until(begun + number / FPS)
        late.append(1000 * (time.perf_counter() - begun - number / FPS))
    print(json.dumps(late))


def pieces(speech: np.ndarray, seconds: float, piece: float) -> Iterator[np.ndarray]:
    """Yield the speech, from its start again where it ends, until so many seconds have come."""
    step = int(piece * RATE)
    whole = speech[: len(speech) // step * step].reshape(-1, step)
    for number in range(int(seconds / piece)):
        yield whole[number % len(whole)]


def delays(model: TalkingFaceModel, speech: np.ndarray, seconds: float, wish: dict[str, str]) -> np.ndarray:
    """Draw at the pace of speech: of each frame (N, 2) ms, until its speech has come and from then on."""
    found: list[tuple[float, float]] = []
    with model.stream(RATE, **wish) as live:
        begun = time.perf_counter()
        for number, piece in enumerate(pieces(speech, seconds, PIECE), 1):
            until(begun + number * PIECE)
            first = live.frames
            live.push(piece)
            now = time.perf_counter() - begun
            heard = number * PIECE
            found += [(heard - frame / FPS, now - heard) for frame in range(first, live.frames)]
    return 1000 * np.array(found)


def at_pace(model: TalkingFaceModel, speech: np.ndarray, seconds: float, wish: dict[str, str]) -> None:
    """Measure delays beside the loop that only sleeps, and print both."""
    beside = [sys.executable, __file__, str(model.path), "--tick", str(seconds)]
    with subprocess.Popen(beside, stdout=subprocess.PIPE, text=True) as timer:
        busy = time.process_time()
        found = delays(model, speech, seconds, wish)
        busy = (time.process_time() - busy) / seconds
        assert timer.stdout is not None
        slept = np.array(json.loads(timer.stdout.read()))
    hearing, computing = found[int(FPS) :].T  # the first second warms up
    rows = {
        "from a frame's first sample to the frame": hearing + computing,
        "of it, the frame's 40 ms and the speech that is heard ahead": hearing,
        "of it, waiting and computing": computing,
        "the loop that only sleeps": slept,
    }
    print(
        f"{model.size} px, {seconds:g} s, {len(found)} frames, {busy:.0%} of a core; {machine()}, {load()}\n"
    )
    heads = ("ms", "p50", "p95", "p99", "most", "late by a frame")
    print_table(heads, [(name, *summary(late, hearing)) for name, late in rows.items()])


def summary(late: np.ndarray, hearing: np.ndarray) -> list[str]:
    """Return percentiles, the greatest, and how many are over a frame later than speech itself makes them."""
    unavoidable = hearing if len(late) == len(hearing) and late.min() >= hearing.min() else 0.0
    share = np.mean(late - unavoidable > 1000 / FPS)
    return [*(f"{one:.1f}" for one in (*np.percentile(late, (50, 95, 99)), late.max())), f"{share:.2%}"]


def for_hours(
    model: TalkingFaceModel, speech: np.ndarray, hours: int, form: str, wish: dict[str, str]
) -> None:
    """Draw hours into nothing as fast as it goes, and print a row for each."""
    print(f"{model.size} px, {form}; {machine()}, {load()}\n")
    rows: list[Sequence[str]] = []
    with (
        Path(os.devnull).open("wb") as nothing,
        LiveFilm(model, model.steer(RATE, **wish), RATE, nothing, form) as film,
    ):
        for hour in range(1, 1 + hours):
            begun, before = time.process_time(), memory()
            for piece in pieces(speech, HOUR, BLOCK):
                film.push(piece)
            apart, took = FPS * film.seconds - film.frames, time.process_time() - begun
            rows.append((f"{hour}", f"{before:.0f}", f"{memory():.0f}", f"{apart:.1f}", f"{took:.1f}"))
            print(*rows[-1], file=sys.stderr, flush=True)
    heads = ("hour", "MB before", "MB after", "frames that sound is ahead", "processor seconds")
    print_table(heads, rows)


def memory() -> float:
    """Return the memory that this process holds, in MB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1000


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path, help="a run folder or a bundle")
    parser.add_argument("--speech", type=Path, help="a recording; by default made-up sound")
    parser.add_argument("--minutes", type=float, default=10.0, help="at the pace of speech")
    parser.add_argument("--hours", type=int, help="as fast as it goes, in place of --minutes")
    parser.add_argument("--format", default="raw", choices=("raw", "mp4"), help="of --hours")
    parser.add_argument("--ask", action="store_true", help="ask for identity and emotion by name")
    parser.add_argument("--tick", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.tick:
        tick(given.tick)
        return
    torch.set_num_threads(1)
    model = s2vkit.load(given.model, device="cpu")
    speech = read_speech(given.speech, RATE).samples if given.speech else made_up_speech(60, RATE)
    wish = {"identity": model.voices[0], "emotion": model.emotions[0]} if given.ask else {}
    if given.hours:
        for_hours(model, speech, given.hours, given.format, wish)
    else:
        at_pace(model, speech, 60 * given.minutes, wish)


if __name__ == "__main__":
    main()
