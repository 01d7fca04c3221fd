"""The systems of a study: runs whose models generate clips, and folders of videos of any generator."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from s2vkit.build import Builder
from s2vkit.data.corpus import FootageCorpus
from s2vkit.data.store import ClipStore
from s2vkit.device import choose
from s2vkit.engine.conditioning import condition_clip
from s2vkit.engine.view import View
from s2vkit.inference.bundle import load_bundle
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.pixels import to_uint8
from s2vkit.media import read_frames, read_speech
from s2vkit.media.folders import VIDEOS, media_of
from s2vkit.recipe.load import load_recipe
from s2vkit.registry import Registry
from s2vkit.runs.cache import Cache
from s2vkit.runs.plan import Plan
from s2vkit.study.plan import names_of

_RATE = 16000  # Hz, of the speech of videos


class Pictures(NamedTuple):
    """The pictures of one clip."""

    frames: np.ndarray  # (V, H, W, 3) uint8
    fps: float


class Speech(NamedTuple):
    """The speech of one clip."""

    samples: np.ndarray  # (S,)
    rate: int


class System:
    """What takes part in a study: it has clips by their names."""

    name: str
    place: Path
    held_out: Collection[str]  # the names of its clips, in their order

    def pictures(self, clip: str) -> Pictures:
        """Return the pictures that it makes of a clip."""
        raise NotImplementedError

    def speech(self, clip: str) -> Speech:
        """Return the speech of a clip."""
        raise NotImplementedError

    def labels(self, clip: str) -> Mapping[str, str]:
        """Return what is known of a clip: its speaker, its emotion."""
        return {}


class RunSystem(System):
    """A run: its loaded model, and its corpus."""

    def __init__(self, name: str, place: Path, pipeline: InferencePipeline, store: ClipStore) -> None:
        self.name, self.place, self.pipeline, self.store = name, place, pipeline, store
        self.held_out: dict[str, int] = {store.clips[i].name: i for i in store.split("test")}

    def pictures(self, clip: str) -> Pictures:
        """Generate a clip from its speech."""
        conditioning = condition_clip(self.pipeline, self.store, self.held_out[clip])
        chunks = [to_uint8(chunk) for chunk in self.pipeline.generate(conditioning)]
        return Pictures(np.concatenate(chunks), self.store.index.fps)

    def speech(self, clip: str) -> Speech:
        """Return the speech of a clip in the corpus."""
        return Speech(self.store.speech(self.held_out[clip]), self.store.index.sample_rate)

    def labels(self, clip: str) -> Mapping[str, str]:
        """Return the labels of a clip in the corpus."""
        return self.store.clips[self.held_out[clip]].labels


class RealClips(RunSystem):
    """The real clips of a run's corpus."""

    def __init__(self, run: RunSystem, name: str) -> None:
        super().__init__(name, run.place, run.pipeline, run.store)

    def pictures(self, clip: str) -> Pictures:
        """Return the real frames."""
        return Pictures(self.store.frames(self.held_out[clip]), self.store.index.fps)


class VideoFolder(System):
    """Videos of any generator, or real ones, each a clip by its path without the suffix."""

    def __init__(self, name: str, place: Path) -> None:
        self.name, self.place = name, place
        self.held_out: dict[str, Path] = media_of(place, VIDEOS)

    def pictures(self, clip: str) -> Pictures:
        """Read a video."""
        frames, rate = read_frames(self.held_out[clip])
        return Pictures(frames, float(Fraction(rate)))

    def speech(self, clip: str) -> Speech:
        """Read the sound of a video."""
        return Speech(read_speech(self.held_out[clip], _RATE).samples, _RATE)


def open_systems(
    runs: Sequence[Path], device: str, view: View, registry: Registry, videos: Sequence[Path] = ()
) -> list[System]:
    """Load the model of each run and open its corpus, which is made where it is not there; list the videos.

    Raises RunFolderError or InputError if a run, its corpus or a folder cannot be used.
    """
    names = names_of([*runs, *videos])
    found: list[System] = [
        _open(name, run, device, view, registry) for name, run in zip(names[: len(runs)], runs, strict=True)
    ]
    return found + [VideoFolder(name, place) for name, place in zip(names[len(runs) :], videos, strict=True)]


def _open(name: str, run: Path, device: str, view: View, registry: Registry) -> RunSystem:
    bundle, recipe = load_bundle(run, registry), load_recipe(run / "recipe.yaml", registry=registry).recipe
    policy = choose(recipe.compute.model_copy(update={"device": device, "precision": "fp32"}))
    builder = Builder(recipe, registry)
    dataset, graph = builder.dataset(), Graph(**vars(bundle.graph), make=builder.make)
    identity = dataset.identity if isinstance(dataset, FootageCorpus) else ""
    bare = recipe.model_copy(update={"stages": {}})  # nothing is trained: the corpus alone
    plan = Plan(bare, registry, graph, {}, run, policy, identity)
    cache = Cache(plan, dataset, policy, view, view.advance)
    try:
        store = cache.open()
    finally:
        cache.close()
    return RunSystem(name, run, InferencePipeline(graph, recipe.alignment, policy), store)
