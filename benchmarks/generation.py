"""Frames a second of a trained model and of SDFA's published generator, in turns, in one process.

python benchmarks/generation.py runs/speech2video
python benchmarks/generation.py runs/speech2video --threads 2 --seconds 8

SDFA's generator has its published size (55.3 million parameters, 96 x 128 px) and runs its own way: all
frames of a clip at once, from windows of raw speech and a still. Its weights are random, which
costs the same. Ours includes the audio encoder and the students; neither writes a file. The ratio is of the
best of `--repeats` turns of each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from s2vkit_sdfa import SdfaOptions
from s2vkit_sdfa.sdfa import Sdfa

import s2vkit
from s2vkit import Conditioning
from s2vkit.inference.recording import SampledRecording
from s2vkit.inference.speed import made_up_speech


def main() -> None:
    """Measure both, and print their ratio."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    model = s2vkit.load(args.model, device="cpu")
    frames = int(args.seconds * 25)
    speech = made_up_speech(args.seconds, model.sample_rate)
    recording = SampledRecording(speech, model.sample_rate)
    sdfa, seen = (
        Sdfa(SdfaOptions(shape="portrait"), size=128, features=8, codes={}, map_shapes=[]).eval(),
        _seen(frames),
    )
    works: dict[str, Callable[[], int]] = {
        f"ours, {model.size} px": lambda: sum(len(made) for made in model.film(recording, {})),
        "SDFA, 96 x 128 px": lambda: sdfa(seen).frames.shape[1],
    }
    best = dict.fromkeys(works, 0.0)
    with torch.inference_mode():
        for _ in range(args.repeats + 1):  # the first turn warms up
            for name, work in works.items():
                begun = time.perf_counter()
                best[name] = max(best[name], work() / (time.perf_counter() - begun))
    for name, rate in best.items():
        print(f"{name:20} {rate:8.1f} frames a second, {rate / 25:6.1f} times real time")
    ours, theirs = best.values()
    print(f"{'ratio':20} {ours / theirs:8.1f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a run folder or a bundle")
    parser.add_argument("--seconds", type=float, default=4.0, help="of speech")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def _seen(frames: int) -> Conditioning:
    """Make up what SDFA is given of a clip."""
    random = torch.Generator().manual_seed(0)
    windows = 0.1 * torch.randn(1, 1, frames, Sdfa.audio_samples, generator=random)
    still = torch.rand(1, 3, 128, 128, generator=random) * 2 - 1
    return Conditioning(torch.zeros(1, frames, 8), {}, audio_windows=windows, reference_images=still)


if __name__ == "__main__":
    main()
