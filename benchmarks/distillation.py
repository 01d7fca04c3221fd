"""Does distillation from the cache cost one pass of the frozen networks, and little more?

    python benchmarks/distillation.py            some minutes on one core
    python benchmarks/distillation.py --no-full  without the paper's full-size networks

Measured in one process, on fake clips: (1) the engine's own 100 epochs, its cache filled
first, against that pass plus the students' bare arithmetic (the same steps on a batch that
is in memory), and against a loop that asks encoder and teachers again at each step, of which
a few steps are measured and the rest reckoned. (2) The full-size networks on a few images
and clips each, and from their rates the core-hours for the corpora of the paper.

All is processor time, so that other work on the machine does not count; the loop and the bare
arithmetic take turns, an epoch each, so that what slows one slows the other.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from measuring import load, machine, print_table, processor_seconds_of, stopwatch

from s2vkit.build import Builder
from s2vkit.data.array_writers import FolderWriter
from s2vkit.data.arrays import Arrays
from s2vkit.device import choose
from s2vkit.engine.frozen_networks import FrozenNetworks
from s2vkit.engine.loading import BatchDataset, BatchLoader
from s2vkit.engine.log import Log
from s2vkit.engine.preflight import make_up
from s2vkit.engine.sources import Sources
from s2vkit.engine.trainer import Trainer
from s2vkit.interfaces.fields import FrozenFeatures
from s2vkit.interfaces.pixels import to_images
from s2vkit.interfaces.specs import DataSpec
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe
from s2vkit.settings import Alignment

RECIPE = Path(__file__).parent.parent / "recipes" / "speech2video.yaml"
EPOCHS, RATE, FPS, SECONDS = 100, 16000, 25.0, 2.5
VIEWS, CHOSEN = 16, 5  # M kept and K averaged frames of Eq. 1
CORPORA = {"CREMA-D": (7_442, 2.5), "VoxCeleb2": (1_128_246, 2442 * 3600 / 1_128_246)}
"""Clips, and mean seconds of one; spec/components.md, section 10."""
FULL = (
    "teachers.identity.width=1",
    "teachers.identity.input_size=224",
    "teachers.emotion.width=1",
    "teachers.emotion.input_size=224",
    "audio_encoder.channels=256",
    "audio_encoder.summary=last",
    "students.identity.hidden=[512, 512]",
    "students.emotion.hidden=[512, 512]",
)


class MadeUp:
    """A corpus of noise, in memory: the part of a ClipStore that is read here."""

    def __init__(self, clips: int, size: int) -> None:
        random = np.random.default_rng(0)
        self.samples, self.count = int(SECONDS * RATE), int(SECONDS * FPS)
        self._speech = random.normal(0, 0.1, (clips, self.samples)).astype(np.float32)
        self._frames = random.integers(0, 256, (clips, self.count, size, size, 3), np.uint8)
        self.clips = [
            SimpleNamespace(
                name=f"c{i}",
                labels={},
                split="train",
                frame=i * self.count,
                frames=self.count,
                samples=self.samples,
            )
            for i in range(clips)
        ]
        self.index = SimpleNamespace(fps=FPS, labels={}, clips=self.clips)
        self.truths: dict[str, np.ndarray] = {}

    def split(self, name: str) -> list[int]:
        """List the clips; all are for training."""
        return list(range(len(self.clips)))

    def speech(self, clip: int, rate: int | None = None) -> np.ndarray:
        """Return (S,) noise."""
        return self._speech[clip]

    def frames(self, clip: int, at: Any = None) -> np.ndarray:
        """Return (V, H, W, 3) noise."""
        return self._frames[clip] if at is None else self._frames[clip][at]


class Bench:
    """The graph of a recipe and its distill stage, on a made-up corpus."""

    def __init__(self, clips: int, size: int, batch: int, *sets: str) -> None:
        steps = EPOCHS * clips // batch
        said = (
            f"stages.distill.steps={steps}",
            f"stages.distill.batch={batch}",
            "stages.distill.segments=0",
            f"data.size={size}",
            *sets,
        )
        self.loaded = load_recipe(RECIPE, said, registry())
        self.recipe = self.loaded.recipe
        self.policy = choose(self.recipe.compute.model_copy(update={"device": "cpu"}))
        self.builder = Builder(self.recipe, registry())
        labels = {"identity": tuple("abcdefgh"), "emotion": ("neutral", "anger")}
        self.graph = self.builder.graph(DataSpec(size, FPS, RATE, labels))
        self.stage = self.builder.make(self.recipe.stages["distill"], graph=self.graph)
        for module in self.graph.modules().values():
            module.eval().requires_grad_(False)
        self.store: Any = MadeUp(clips, size)
        self.steps = steps

    def freeze(self, folder: Path) -> Sources:
        """Do the one pass of the frozen networks, as the engine does it."""
        networks = FrozenNetworks(self.graph, self.policy, Alignment(), seed=0)
        wanted = (
            FrozenFeatures("speech"),
            FrozenFeatures("targets", "identity", 1),
            FrozenFeatures("targets", "emotion", VIEWS),
        )
        arrays = {}
        for features in wanted:
            out = folder / f"{features.what}-{features.side}"
            out.mkdir()
            networks.encode(features, self.store, networks.picks(features, self.store), FolderWriter(out))
            arrays[features] = Arrays(out)
        return Sources(self.store, RATE, arrays)

    def trainer(self, batches: Callable[[int], Any]) -> Trainer:
        """Make the engine's trainer of the stage."""
        return Trainer(
            self.stage,
            "distill",
            self.graph,
            batches,
            policy=self.policy,
            seed=1,
            make_optimizer=self.builder.make,
        )

    @torch.inference_mode()
    def look_live(self, clips: Any, step: int) -> Any:
        """Ask encoder and teachers anew for the clips of a step, K frames of each."""
        rows = [int(name[1:]) for name in clips.names]
        speech = torch.from_numpy(np.stack([self.store.speech(i) for i in rows]))
        lengths = torch.full((len(rows),), speech.shape[1])
        clips.summary = self.graph.encoder(speech, lengths)[1].clone()
        for side, count in (("identity", 1), ("emotion", CHOSEN)):
            at = np.random.default_rng(step).integers(0, self.store.count, count) * (count > 1)
            frames = np.concatenate([self.store.frames(i, at) for i in rows])
            seen = self.graph.teachers[side](to_images(torch.from_numpy(frames)))
            clips.data[f"targets.{side}"] = seen.view(len(rows), count, -1).mean(1)
        return clips


def small(clips: int, batch: int) -> float:
    """Compare the engine's 100 epochs with their parts; give the ratio."""
    bench = Bench(clips, 64, batch)
    with tempfile.TemporaryDirectory() as name:
        with stopwatch() as once:
            sources = bench.freeze(Path(name))
        dataset = BatchDataset(sources, bench.stage, "distill", seed=1)
        batches = BatchLoader(dataset, device=bench.policy.device)
        engine, bare = _in_turns(bench, batches, Path(name))
        live = bench.trainer(lambda step: _as_new(bench.look_live(batches(step), step)))
        each = processor_seconds_of(lambda: live.step(1), repeats=2, warm=0)
    cached, least = once.seconds + engine, once.seconds + bare
    print(f"\n{clips} clips of {SECONDS} s at 64 px, the default recipe's networks,")
    print(f"{EPOCHS} epochs = {bench.steps} steps of {batch}; {machine()}, {load()}:\n")
    print_table(
        ("", "processor seconds"),
        [
            ("one pass of the frozen networks (M = 16 frames a clip)", f"{once.seconds:.2f}"),
            ("the students' own arithmetic", f"{bare:.2f}"),
            ("the engine's loop: drawing, reading the cache, students, log", f"{engine:.2f}"),
            ("**cached: pass + loop, over pass + arithmetic**", f"**{cached / least:.3f}** (wanted: 1.1)"),
            (f"live teachers (K = 5): {each:.2f} s a step, reckoned", f"{each * bench.steps:.0f}"),
            ("**live over cached**", f"**{each * bench.steps / cached:.1f}**"),
        ],
    )
    return cached / least


def _in_turns(bench: Bench, batches: BatchLoader, folder: Path) -> tuple[float, float]:
    """Do the engine's loop and the bare arithmetic, an epoch each in turn: seconds of both."""
    held = batches(0)
    whole, bare = bench.trainer(batches), bench.trainer(lambda step: held)
    seconds = [0.0, 0.0]
    with Log(folder / "log.jsonl", since=0) as log:
        for trainer in (whole, bare):
            trainer.step(0)
        for first in range(0, bench.steps, every := max(1, bench.steps // EPOCHS)):
            steps = range(first, min(first + every, bench.steps))
            with stopwatch() as watch:
                for step in steps:
                    log.write(step, {k: float(v) for k, v in whole.step(step).items()})
            seconds[0] += watch.seconds
            with stopwatch() as watch:
                for step in steps:
                    bare.step(step)
            seconds[1] += watch.seconds
    return seconds[0], seconds[1]


def _as_new(clips: Any) -> Any:
    """Take tensors out of inference mode, so that they can be trained on."""
    clips.targets = {side: target.clone() for side, target in clips.targets.items()}
    clips.summary = clips.summary.clone()
    return clips


def full() -> None:
    """Measure the paper's networks at full size, and reckon core-hours."""
    bench = Bench(4, 128, 64, *FULL, "stages.distill.steps=1")
    rates = _rates(bench)
    clips = make_up(bench.stage, bench.graph, bench.policy.device)
    trainer = bench.trainer(lambda step: clips)
    student = processor_seconds_of(lambda: trainer.step(0), repeats=5) / 64
    print(f"\nfull size (224 px, maps of 128 px, CPC 256, fc7 4096); {load()}\n")
    print_table(
        ("network", "each takes a core", "rate of a core"),
        [
            (name, f"{1000 * s:.4g} ms", f"{1 / s:.3g} {unit}/s")
            for name, (s, unit) in {**rates, "students, a step": (student, "clips")}.items()
        ],
    )
    vgg, senet, maps, cpc = (s for s, _ in rates.values())
    rows = []
    for corpus, (count, seconds) in CORPORA.items():
        hear = cpc * seconds / SECONDS
        once = hear + vgg + maps + VIEWS * senet
        live = EPOCHS * (hear + vgg + CHOSEN * senet + student) + maps
        cached = once + EPOCHS * student
        hours = [count * s / 3600 for s in (once, EPOCHS * student, cached, live)]
        rows.append((corpus, f"{count:,}", *(f"{h:,.0f}" for h in hours), f"{live / cached:.1f}"))
    print(f"\nreckoned core-hours for {EPOCHS} epochs:\n")
    print_table(("corpus", "clips", "one pass", "students", "cached in all", "live", "live / cached"), rows)


def _rates(bench: Bench) -> dict[str, tuple[float, str]]:
    images = torch.rand(4, 3, 224, 224) * 2 - 1
    speech = torch.from_numpy(np.stack([bench.store.speech(i) for i in range(4)]))
    lengths = torch.full((4,), speech.shape[1])
    small = torch.rand(4, 3, 128, 128) * 2 - 1
    vgg, senet = bench.graph.teachers["identity"], bench.graph.teachers["emotion"]
    works: dict[str, tuple[Callable[[], object], str]] = {
        "VGG16, fc7": (lambda: vgg(images), "images"),
        "SENet-50, logits": (lambda: senet(images), "images"),
        "VGG16, three maps": (lambda: vgg.maps(small), "images"),
        f"CPC, {SECONDS} s of speech": (lambda: bench.graph.encoder(speech, lengths), "clips"),
    }
    with torch.inference_mode():
        return {name: (processor_seconds_of(w, repeats=3) / 4, unit) for name, (w, unit) in works.items()}


def main() -> None:
    """Print both parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=128, help="of the small corpus")
    parser.add_argument("--batch", type=int, default=64, help="clips in a step")
    parser.add_argument("--no-full", action="store_true", help="leave the full-size networks out")
    given = parser.parse_args()
    small(given.clips, given.batch)
    if not given.no_full:
        full()


if __name__ == "__main__":
    main()
