"""How well a finished run follows what is asked of the face, judged by its own evaluators.

python benchmarks/control.py runs/speech2video
python benchmarks/control.py runs/speech2video --every 3 --frames 8

Of clips of the test split, each is generated with another emotion or identity than its own, asked for by
name and taken from the speech of another clip. It counts how often the evaluator recognises what was asked
for, and how often what was not asked for stays. Then emotions are asked for at growing strengths.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from measuring import load, machine, print_table
from rich.console import Console
from torch import Tensor

from s2vkit.benchmark.measure import opened
from s2vkit.engine.workspace import RunWork
from s2vkit.inference.bundle import load_bundle
from s2vkit.inference.codes import LabelCodes
from s2vkit.inference.control import Control, steering_of
from s2vkit.inference.steering import NEUTRAL
from s2vkit.interfaces.batch import Conditioning
from s2vkit.plugins import registry

OTHER = {"emotion": "identity", "identity": "emotion"}
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SLACK = 0.005  # of a probability, by which it may fall as the strength rises
NOW = torch.zeros(1)


@dataclass
class Row:
    """Requests of one kind: how many, how many were met, and in how many the other side stayed."""

    requests: int = 0
    met: int = 0
    stayed: int = 0


@dataclass
class Judge:
    """Generates clips of a run from changed codes, and asks its evaluators what they show."""

    work: RunWork
    codes: LabelCodes
    every: int  # frames of a clip from one that is judged to the next
    rows: dict[str, Row] = field(default_factory=lambda: defaultdict(Row))

    def condition(self, clip: int) -> Conditioning:
        """Encode the speech of a clip."""
        pipeline, store = self.work.pipeline, self.work.store
        return pipeline.condition(store.speech(clip, pipeline.sample_rate), store.clips[clip].frames)

    def probabilities(self, clip: Conditioning, codes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the evaluators say of a clip drawn from these codes: the mean over its frames."""
        asked = Conditioning(clip.features[:, :: self.every], {**clip.codes, **codes})
        frames = self.work.pipeline.output(asked).frames[0].float().clamp(-1, 1)
        evaluators = self.work.graph.evaluators
        return {side: evaluators[side].classify(frames).log_softmax(-1).mean(0).softmax(-1) for side in OTHER}

    def recognised(self, clip: Conditioning, codes: Mapping[str, Tensor]) -> dict[str, str]:
        """Name who and which emotion the evaluators see."""
        found = self.probabilities(clip, codes)
        return {side: self.classes(side)[int(found[side].argmax())] for side in OTHER}

    def classes(self, side: str) -> tuple[str, ...]:
        """Return the labels that an evaluator chooses from."""
        return tuple(self.work.graph.evaluators[side].classes)

    def code(self, side: str, label: str, clip: Conditioning) -> Tensor:
        """Return the code that a request by name gives a clip, as `generate` does."""
        control: Control = {"emotion": label} if side == "emotion" else {"identity": label}
        steering = steering_of(control, self.codes, list(OTHER), lambda _: {}, lambda _: NOW)
        return steering[side].code(clip.codes[side], NOW)

    def count(self, kind: str, side: str, clip: Conditioning, code: Tensor, want: Mapping[str, str]) -> None:
        """Draw a clip with the code of one side replaced, and count what comes of it."""
        seen, row = self.recognised(clip, {side: code}), self.rows[kind]
        row.requests += 1
        row.met += seen[side] == want[side]
        row.stayed += seen[OTHER[side]] == want[OTHER[side]]


def follow(judge: Judge, clips: list[int], random: np.random.Generator) -> None:
    """Ask every clip for every other label by name, and for that of one other clip's speech."""
    labels = [judge.work.store.clips[clip].labels for clip in clips]
    heard = [judge.condition(clip) for clip in clips]
    for own, clip in zip(labels, heard, strict=True):
        judge.count("as it is heard", "emotion", clip, clip.codes["emotion"], own)
        for side in OTHER:
            for name in judge.codes[side]:
                if name != own[side]:
                    code = judge.code(side, name, clip)
                    judge.count(f"another {side}, by name", side, clip, code, {**own, side: name})
            others = [i for i, label in enumerate(labels) if label[side] != own[side]]
            other = int(random.choice(others))
            want, code = {**own, side: labels[other][side]}, heard[other].codes[side]
            judge.count(f"the {side} of other speech", side, clip, code, want)


def strengthen(judge: Judge, clips: list[int]) -> Iterator[list[float]]:
    """Ask each clip for one emotion at growing strengths: the probabilities that the evaluator gives it."""
    emotions = [name for name in judge.codes["emotion"] if name != NEUTRAL]
    for number, clip in enumerate(map(judge.condition, clips)):
        name = emotions[number % len(emotions)]
        place = judge.classes("emotion").index(name)
        codes = (judge.code("emotion", f"{name}={strength}", clip) for strength in STRENGTHS)
        yield [float(judge.probabilities(clip, {"emotion": code})["emotion"][place]) for code in codes]


def report(judge: Judge, curves: list[list[float]]) -> None:
    """Print both tables."""
    print_table(
        ("asked for", "appears", "what is not asked for stays", "requests"),
        [
            (kind, f"{row.met / row.requests:.3f}", f"{row.stayed / row.requests:.3f}", str(row.requests))
            for kind, row in judge.rows.items()
        ],
    )
    rising = sum(all(b >= a - SLACK for a, b in pairwise(curve)) for curve in curves)
    print(f"\nstrength of an emotion: its probability rises with it in {rising} of {len(curves)} clips")
    means = np.mean(curves, 0)
    print_table([f"{one:g}" for one in STRENGTHS], [[f"{one:.3f}" for one in means]])


@torch.inference_mode()
def main() -> None:
    """Measure a run and print what it follows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    parser.add_argument("--cache", help="the folder of its corpus, where that is not the recipe's")
    parser.add_argument("--split", default="test")
    parser.add_argument("--every", type=int, default=1, help="take every Nth clip of the split")
    parser.add_argument("--frames", type=int, default=4, help="judge every Nth frame of a clip")
    given = parser.parse_args()
    sets = [f"cache={given.cache}"] if given.cache else []
    codes = load_bundle(given.run).codes
    with opened(given.run, Console(stderr=True), registry(), sets) as run:
        torch.set_num_threads(1)
        work = run.work()
        judge, clips = Judge(work, codes, given.frames), work.store.split(given.split)[:: given.every]
        print(f"{machine()}, {load()}\n{len(clips)} clips of {given.split}, every {given.frames}. frame\n")
        follow(judge, clips, np.random.default_rng(0))
        report(judge, list(strengthen(judge, clips)))


if __name__ == "__main__":
    main()
