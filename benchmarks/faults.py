"""What each metric says of a known fault: real clips beside themselves, changed in one way each.

python benchmarks/faults.py REAL OUT [--clips 12] makes a folder of videos a fault, of the talking faces
in REAL, evaluates all against REAL by one protocol and prints a table in Markdown. Where REAL is the
folder of a run, its held-out true clips are taken, and the networks that it has trained to judge measure too.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter
from rich.console import Console

from s2vkit.benchmark.comparison import Comparison
from s2vkit.benchmark.finished_runs import read_recipe_of
from s2vkit.benchmark.measure import opened
from s2vkit.data.extraction.sound import read_track
from s2vkit.errors import InputError
from s2vkit.interfaces.pixels import to_uint8
from s2vkit.media import VideoWriter, probe, read_frames
from s2vkit.plugins import registry
from s2vkit.videos.protocol import load_protocol
from s2vkit.videos.systems import AskedVideos, evaluate_videos

RATE, FPS, SIDE = 16000, 25, 256
METRICS = (
    *("ssim", "psnr", "sharpness", "movement"),
    *("lip_sync", "silent_lips", "lip_leak", "lip_dynamics", "eyebrow_dynamics", "head_motion", "closeness"),
)
BY_NETWORKS = (
    *("identity_accuracy", "emotion_accuracy", "csim", "identity_drift", "mouth_movement"),
    *("mouth_aperture_correlation", "lse_c", "lse_d", "av_confidence", "av_offset"),
)


class Clip(NamedTuple):
    """A real clip."""

    name: str
    frames: np.ndarray  # (V, H, W, 3) uint8
    speech: np.ndarray  # (S,)


def clips_in(folder: Path, count: int) -> Iterator[Clip]:
    """Read the first clips that have sound, at most 4 s of each."""
    found = 0
    for path in sorted(folder.rglob("*.m*")):
        if found == count:
            return
        try:
            seconds = min(4.0, probe(path)["seconds"])
            frames, rate = read_frames(path, round(seconds * FPS))
            speech = read_track(path, RATE, None, len(frames) / FPS, []).samples
        except InputError:
            continue
        if rate == FPS and len(frames) >= 40:
            found += 1
            yield Clip(path.stem, frames, speech)


def clips_of(run: Path, count: int, labels: Path) -> Iterator[Clip]:
    """Read the first true clips of a run's held-out split, and write whose they are."""
    recipe, stage = read_recipe_of(run)
    with opened(run, Console(stderr=True), registry(), device="cpu") as found, labels.open("w") as file:
        table = csv.writer(file)
        table.writerow(["file", "identity", "emotion"])
        for outcome in found.work().outcomes(recipe["stages"][stage]["split"], count):
            assert outcome.speech is not None
            table.writerow([outcome.name, outcome.labels["identity"], outcome.labels["emotion"]])
            yield Clip(outcome.name, to_uint8(outcome.real), outcome.speech.numpy())


def with_pause(clip: Clip) -> np.ndarray:
    """Silence the speech from a third of the clip to two thirds."""
    speech = clip.speech.copy()
    speech[len(speech) // 3 : 2 * len(speech) // 3] = 0
    return speech


def later(frames: np.ndarray, by: int) -> np.ndarray:
    """Delay pictures by some frames; the first one stands meanwhile."""
    return np.concatenate([np.repeat(frames[:1], by, 0), frames[: len(frames) - by]])


def blurred(frames: np.ndarray) -> np.ndarray:
    """Blur by a Gaussian of an 80th of the side: 3 pixels of 224 and more, 1 of 64."""
    smooth = ImageFilter.GaussianBlur(max(1, round(frames.shape[1] / 80)))
    return np.stack([np.asarray(Image.fromarray(frame).filter(smooth)) for frame in frames])


def frozen(frames: np.ndarray) -> np.ndarray:
    """Show the middle frame all along."""
    return np.repeat(frames[len(frames) // 2][None], len(frames), 0)


def shut_in_pause(frames: np.ndarray) -> np.ndarray:
    """Stand still from a third of the clip to two thirds."""
    first, end = len(frames) // 3, 2 * len(frames) // 3
    return np.concatenate(
        [frames[:first], np.repeat(frames[first : first + 1], end - first, 0), frames[end:]]
    )


FAULTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "real": lambda frames: frames,
    **{f"later_{by}": lambda frames, by=by: later(frames, by) for by in (1, 2, 5, 10)},
    "blurred": blurred,
    "frozen": frozen,
}


def write(place: Path, clip: Clip, frames: np.ndarray, speech: np.ndarray) -> None:
    """Write a video whose coding is next to invisible."""
    place.mkdir(parents=True, exist_ok=True)
    size = (frames.shape[2], frames.shape[1])
    with VideoWriter(place / f"{clip.name}.mp4", size, FPS, speech, RATE) as writer:
        writer.write(frames)


def make(clips: list[Clip], out: Path) -> None:
    """Write the folders: real clips, those with a fault, and those with a pause in the speech."""
    for place, clip in enumerate(clips):
        for name, change in FAULTS.items():
            write(out / "videos" / name, clip, change(clip.frames), clip.speech)
        other = clips[(place + 1) % len(clips)].frames
        shown = other[np.arange(len(clip.frames)) % len(other)]
        write(out / "videos" / "another_clip", clip, shown, clip.speech)
        still = shut_in_pause(clip.frames)
        write(out / "paused" / "real", clip, still, with_pause(clip))
        write(out / "paused" / "leaking", clip, clip.frames, with_pause(clip))


def evaluate(folder: Path, out: Path, sets: list[str], run: Path | None, labels: Path) -> Comparison:
    """Evaluate the systems of a folder against its `real`."""
    systems = sorted(folder.iterdir(), key=lambda path: (path.name != "real", path.name))
    names = METRICS if run is None else (*METRICS, *BY_NETWORKS)
    protocol = load_protocol(None, ["codec=h264", *sets], {name: name for name in names}, registry())
    asked = AskedVideos(systems, protocol, folder / "real", None, labels if run else None, run)
    return evaluate_videos(asked, out, Console(stderr=True), registry())


def table(comparison: Comparison) -> str:
    """Write a row a system, a column a metric."""
    lines = ["| system | " + " | ".join(f"`{row.metric}`" for row in comparison.rows) + " |"]
    lines.append("|---|" + "---:|" * len(comparison.rows))
    for place, system in enumerate(comparison.systems):
        cells = [row.cells[place] for row in comparison.rows]
        texts = ["–" if cell is None else f"{cell.value:.3g}" for cell in cells]
        lines.append(f"| {system.title} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def main() -> None:
    """Make, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--set", action="append", default=[], dest="sets")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    run = asked.real if (asked.real / "run.json").is_file() else None
    labels = asked.out / "labels.csv"
    if run:
        clips = list(clips_of(run, asked.clips, labels))
        sets = [f"size={len(clips[0].frames[0])}", "face_detector=none", "landmarks=darkness", *asked.sets]
    else:
        clips = list(clips_in(asked.real, asked.clips))
        sets = ["size=128", "landmarks=face_mesh", *asked.sets]
    make(clips, asked.out)
    for name in ("videos", "paused"):
        found = evaluate(asked.out / name, asked.out / f"figures_{name}", sets, run, labels)
        print(f"{table(found)}\n")


if __name__ == "__main__":
    main()
