"""Whether a run has drawn the right people, sharp and moving, from the held-out ends of their videos.

python benchmarks/people.py RUN [--clips 8] judges by networks that pip brings: FaceNet says whom a generated
clip is nearest to, of the people of training, and the face mesh how far mouths are open. Needs the extras
`pretrained` and `landmarks`. Where fewer than `--voice` of the frames are as loud as the person's speech in
training (by 16 dB less at most), nobody can tell who speaks: such clips are listed but left out of the means.
Sharpness, movement and the deviation of the opening are shares of the real clip's.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from measuring import print_table
from rich.console import Console
from s2vkit_dynamics.definitions import frame_rms, openness
from s2vkit_metrics.mouth import pearson
from torch import Tensor

from s2vkit.benchmark.finished_runs import read_recipe_of
from s2vkit.benchmark.measure import opened
from s2vkit.interfaces.metric import Outcome
from s2vkit.interfaces.pixels import to_images
from s2vkit.plugins import registry

EVERY = 5  # of a training clip's frames, one of so many shows the person
LOUD = 90  # percentile of a person's loudness in training that counts as loud
QUIET = 0.15  # of which speech has at least so much
WINDOW = 0.05  # s in which loudness is measured
HEADINGS = (
    *("clip", "person", "voice", "nearest to", "cosine"),
    *("sharp face", "mouth", "movement", "opening", "correlation"),
)
FIGURES = ("cosine", "face", "mouth", "movement", "opening", "correlation")


@dataclass
class Judged:
    """What was found in one clip."""

    name: str
    person: str
    voice: float  # share of the frames that have voice
    nearest: str
    figures: dict[str, float]


class Judge:
    """FaceNet, the face mesh, and the people of training as FaceNet sees them."""

    def __init__(self, store, known) -> None:
        face = known.get("teacher", "facenet")
        self.facenet = face.load()(
            face.options(checkpoint="installed"), size=store.index.size, labels=()
        ).eval()
        mesh = known.get("landmarks", "face_mesh")
        self.mesh = mesh.load()(mesh.options())
        shares = {
            "face": ("sharpness", "face"),
            "mouth": ("sharpness", "mouth"),
            "movement": ("movement", "mouth"),
        }
        self.shares = {}
        for name, (metric, region) in shares.items():
            entry = known.get("metric", metric)
            self.shares[name] = (entry.load(), entry.options(region=region))
        seen: dict[str, list[Tensor]] = {}
        heard: dict[str, list[np.ndarray]] = {}
        for i in store.split("train"):
            clip = store.clips[i]
            frames = torch.from_numpy(store.frames(i, np.arange(0, clip.frames, EVERY)))
            seen.setdefault(clip.labels["identity"], []).append(self.look(to_images(frames)))
            speech, rate, fps = store.speech(i), store.index.sample_rate, store.index.fps
            heard.setdefault(clip.labels["identity"], []).append(
                frame_rms(speech, rate, clip.frames, fps, WINDOW)
            )
        self.loud = {name: np.percentile(np.concatenate(levels), LOUD) for name, levels in heard.items()}
        self.names = sorted(seen)
        self.people = F.normalize(
            torch.stack([torch.stack(seen[name]).mean(0) for name in self.names]), dim=-1
        )

    def look(self, images: Tensor) -> Tensor:
        """Return FaceNet's mean direction of images (V, 3, H, W)."""
        return F.normalize(self.facenet(images).float().mean(0), dim=0)

    def opening(self, images: Tensor) -> np.ndarray:
        """Return how far the mouth of each image is open (V,); NaN where no face is found."""
        return openness(self.mesh(images).cpu().double().numpy(), self.mesh.groups)

    def __call__(self, outcome: Outcome) -> Judged:
        """Judge one clip."""
        frames = min(len(outcome.generated), len(outcome.real))
        generated, real = outcome.generated[:frames], outcome.real[:frames]
        face, true = self.look(generated), self.look(real)
        openings = np.stack([self.opening(generated), self.opening(real)])
        drawn, shown = openings[:, ~np.isnan(openings).any(0)]
        figures = {"cosine": float(face @ true)}
        for name, (metric, options) in self.shares.items():
            measured = metric(options)
            measured.update(outcome)
            figures[name] = measured.compute().value
        moves = len(shown) > 0 and shown.std() > 0
        figures["opening"] = float(drawn.std() / shown.std()) if moves else float("nan")
        figures["correlation"] = pearson(drawn, shown)
        person = outcome.labels["identity"]
        level = frame_rms(outcome.speech.numpy(), outcome.sample_rate, frames, outcome.fps, WINDOW)
        voice = float((level > QUIET * self.loud[person]).mean())
        nearest = self.names[int((self.people @ face).argmax())]
        return Judged(outcome.name, person, voice, nearest, figures)


def row(name: str, person: str, voice: str, nearest: str, figures: dict[str, float]) -> tuple[str, ...]:
    """Write a row of the table."""
    return (name, person, voice, nearest, *(f"{figures[key]:.2f}" for key in FIGURES))


def means(title: str, clips: list[Judged]) -> tuple[str, ...]:
    """Write the row of means over clips."""
    figures = {key: float(np.nanmean([clip.figures[key] for clip in clips])) for key in FIGURES}
    right = sum(clip.nearest == clip.person for clip in clips)
    return row(f"**{title}**", "", "", f"{right} of {len(clips)}", figures)


def main() -> None:
    """Judge a run and print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--clips", type=int)
    arguments.add_argument("--voice", type=float, default=0.3)
    given = arguments.parse_args()
    known = registry()
    recipe, stage = read_recipe_of(given.run)
    with opened(given.run, Console(stderr=True), known, device="cpu") as run, torch.no_grad():
        judge = Judge(run.store, known)
        judged = [judge(o) for o in run.work().outcomes(recipe["stages"][stage]["split"], given.clips)]
    rows = [row(one.name, one.person, f"{one.voice:.2f}", one.nearest, one.figures) for one in judged]
    heard = [one for one in judged if one.voice >= given.voice]
    right = [one for one in heard if one.nearest == one.person]
    for title, clips in (("with voice", heard), ("of those, right", right)):
        if clips:
            rows.append(means(title, clips))
    print_table(HEADINGS, rows)


if __name__ == "__main__":
    main()
