"""A run's own clips evaluated as videos of any source: lossless and by H.264, beside the run's figures.

python benchmarks/videos_of_run.py RUN OUT [--clips 16] writes the generated and real clips of the
held-out split as videos and prints, for each metric, the figure of the run's float frames, of the
same frames in 8 bits, of lossless files and of H.264 files, as a table in Markdown.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from rich.console import Console

from s2vkit.benchmark.finished_runs import read_recipe_of
from s2vkit.benchmark.measure import opened
from s2vkit.interfaces.metric import Metric, Outcome
from s2vkit.interfaces.pixels import to_images, to_uint8
from s2vkit.media import VideoWriter
from s2vkit.plugins import registry
from s2vkit.videos.protocol import load_protocol
from s2vkit.videos.systems import AskedVideos, evaluate_videos

METRICS = (
    *("identity_accuracy", "emotion_accuracy", "mouth_movement"),
    *("ssim", "psnr", "sharpness", "movement", "csim"),
)


def write_lossless(path: Path, frames: np.ndarray, speech: np.ndarray, fps: float, rate: int) -> None:
    """Write PNG pictures and 16-bit samples into a QuickTime file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        video = out.add_stream("png", rate=Fraction(fps))
        video.width, video.height, video.pix_fmt = frames.shape[2], frames.shape[1], "rgb24"
        sound = out.add_stream("pcm_s16le", rate=rate, layout="mono")
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / Fraction(fps)
            out.mux(video.encode(frame))
        samples = (speech.clip(-1, 1) * 32767).astype(np.int16)[None]
        block = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        block.sample_rate, block.pts = rate, 0
        out.mux([*sound.encode(block), *sound.encode(None), *video.encode(None)])


def write(out: Path, outcome: Outcome) -> None:
    """Write one clip, generated and real, without loss and by H.264."""
    assert outcome.speech is not None
    speech, rate, fps = outcome.speech.numpy(), outcome.sample_rate, outcome.fps
    for which in ("generated", "real"):
        frames = to_uint8(getattr(outcome, which))
        write_lossless(out / "lossless" / which / f"{outcome.name}.mov", frames, speech, fps, rate)
        path, size = out / "h264" / which / f"{outcome.name}.mp4", frames.shape[2:0:-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        with VideoWriter(path, (size[0], size[1]), fps, speech, rate) as writer:
            writer.write(frames)


def in_8_bits(outcome: Outcome) -> Outcome:
    """Round the frames of a clip to what a video file can hold."""
    rounded = {w: to_images(torch.from_numpy(to_uint8(getattr(outcome, w)))) for w in ("generated", "real")}
    return replace(outcome, **rounded, shared={})


def own_figures(run: Path, out: Path, clips: int) -> dict[str, dict[str, float]]:
    """Measure a run's clips as it does itself, and in 8 bits; write them as videos."""

    def made() -> dict[str, Metric]:
        entries = {name: registry().get("metric", name) for name in METRICS}
        return {name: entry.load()(entry.options()) for name, entry in entries.items()}

    as_is, rounded = made(), made()
    recipe, stage = read_recipe_of(run)
    with (
        opened(run, Console(stderr=True), registry(), device="cpu") as found,
        (out / "labels.csv").open("w") as file,
    ):
        labels = csv.writer(file)
        labels.writerow(["file", "identity", "emotion"])
        for outcome in found.work().outcomes(recipe["stages"][stage]["split"], clips):
            write(out, outcome)
            labels.writerow([outcome.name, outcome.labels["identity"], outcome.labels["emotion"]])
            for name in METRICS:
                as_is[name].update(outcome)
                rounded[name].update(in_8_bits(outcome))
    return {
        which: {name: metric.compute().value for name, metric in metrics.items()}
        for which, metrics in (("float frames", as_is), ("8 bits", rounded))
    }


def figures_of_videos(kind: str, run: Path, out: Path, size: int) -> dict[str, float]:
    """Evaluate the folder of one kind of files."""
    sets = [f"size={size}", "face_detector=none"]
    protocol = load_protocol(None, sets, {name: name for name in METRICS}, registry())
    folders = ([out / kind / "generated"], protocol, out / kind / "real", None, out / "labels.csv", run)
    found = evaluate_videos(AskedVideos(*folders), out / f"figures_{kind}", Console(stderr=True), registry())
    return {row.metric: cell.value for row in found.rows if (cell := row.cells[0]) is not None}


def main() -> None:
    """Write, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--size", type=int, default=64)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    columns = own_figures(asked.run, asked.out, asked.clips)
    for kind in ("lossless", "h264"):
        columns[kind] = figures_of_videos(kind, asked.run, asked.out, asked.size)
    print(f"| metric | {' | '.join(columns)} | lossless - 8 bits |\n|---|{'---:|' * (len(columns) + 1)}")
    for name in METRICS:
        values = [column[name] for column in columns.values()]
        apart = columns["lossless"][name] - columns["8 bits"][name]
        print(f"| `{name}` | {' | '.join(f'{value:.6g}' for value in values)} | {apart:.1e} |")


if __name__ == "__main__":
    main()
