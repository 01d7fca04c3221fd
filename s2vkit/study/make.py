"""Making a study: the same held-out clips drawn by each run's own model, under blinded names."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2vkit import __version__
from s2vkit.build import Builder
from s2vkit.data.corpus import FootageCorpus
from s2vkit.data.store import ClipStore, Record
from s2vkit.device import choose
from s2vkit.engine.conditioning import condition_clip
from s2vkit.engine.view import View
from s2vkit.errors import InputError
from s2vkit.files import atomic_folder, naming_full_disk, write_json
from s2vkit.inference.bundle import load_bundle
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.pixels import to_uint8
from s2vkit.media.video import VideoWriter
from s2vkit.plugins import registry as installed
from s2vkit.recipe.load import load_recipe
from s2vkit.registry import Registry
from s2vkit.report.pictures import enlarge
from s2vkit.runs.cache import Cache
from s2vkit.runs.plan import Plan
from s2vkit.study.page import write_study_page
from s2vkit.study.plan import KEY, PAGE, SPOILED, TRUTH, Question, Study, names_of, plan_study

_HEIGHT = 256  # of the videos, about: small faces are enlarged by whole pixels
_LONG_AGO = 946684800  # 2000-01-01; a zip file knows no time before 1980
_BLOCK = 8  # coarse blocks across a spoiled clip


@dataclass
class System:
    """A run that takes part: its model at work, and the corpus it holds clips out of."""

    name: str
    run: Path
    pipeline: InferencePipeline
    store: ClipStore

    def __post_init__(self) -> None:
        self.held_out = {self.store.clips[i].name: i for i in self.store.split("test")}


def make_study(
    runs: Sequence[Path],
    folder: Path,
    *,
    clips: int,
    questions: Sequence[Question],
    seed: int,
    checks: int,
    truth: bool,
    view: View,
    device: str = "auto",
    force: bool = False,
    registry: Registry | None = None,
) -> Study:
    """Write a study into a folder: `page/` for raters, and the key beside it.

    `truth` lets the real clips take part as one more system; `checks` pairs set a real clip
    beside a spoiled one. The folder appears whole or not at all. Raises InputError where the
    runs have no held-out clip in common or the folder is taken, RunFolderError of the runs.
    """
    _check(runs, folder, truth, force)
    systems = open_systems(runs, device, view, registry or installed())
    chosen = pick(systems, clips, seed)
    names = [*(s.name for s in systems), *([TRUTH] if truth else [])]
    spoiled = chosen[: min(checks, len(chosen))]
    study = plan_study(names, chosen, questions, seed=seed, checks=spoiled)
    with naming_full_disk(folder.parent), atomic_folder(folder) as part:
        _write_clips(part / PAGE / "clips", study, systems, view)
        write_study_page(part / PAGE, study.page_data())
        about = {"s2vkit": __version__, "seed": seed, "runs": {s.name: str(s.run.resolve()) for s in systems}}
        write_json(part / KEY, study.key_data(about))
    return study


def _check(runs: Sequence[Path], folder: Path, truth: bool, force: bool) -> None:
    if len(runs) + truth < 2:
        raise InputError(
            "a study compares at least two systems, and one run is named",
            hint="name another run, or set this one beside the real clips with --truth",
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file", hint="name a folder for the study")
    exists = folder.is_dir() and any(folder.iterdir())
    if exists and not (folder / KEY).is_file():
        raise InputError(f"{folder}: holds files that are no study", hint="name another folder")
    if exists and not force:
        raise InputError(
            f"{folder}: holds a study already, whose votes need its key",
            hint="name another folder, or say --force to replace it",
        )


def open_systems(runs: Sequence[Path], device: str, view: View, registry: Registry) -> list[System]:
    """Load the model of each run and open its corpus, which is made where it is not there.

    Raises RunFolderError or InputError where a run or its corpus cannot be used.
    """
    return [_open(name, run, device, view, registry) for name, run in zip(names_of(runs), runs, strict=True)]


def _open(name: str, run: Path, device: str, view: View, registry: Registry) -> System:
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
    return System(name, run, InferencePipeline(graph, recipe.alignment, policy), store)


def pick(systems: Sequence[System], max_count: int, seed: int) -> list[str]:
    """Pick clips that all runs held out, of as many speakers and moods as there is room for.

    Raises InputError where they have none in common, or one name stands for two recordings.
    """
    first = systems[0]
    common = [n for n in first.held_out if all(n in other.held_out for other in systems)]
    if not common:
        raise InputError(
            "the runs have no held-out clip in common: " + ", ".join(s.name for s in systems),
            hint="compare runs of one corpus and one split",
        )
    left = [first.store.clips[first.held_out[name]] for name in common]
    random.Random(f"{seed} clips").shuffle(left)
    chosen: list[Record] = []
    met: Counter[tuple[str, str]] = Counter()
    while left and len(chosen) < max_count:
        next_one = min(left, key=lambda clip: sum(met[label] for label in clip.labels.items()))
        left.remove(next_one)
        chosen.append(next_one)
        met.update(next_one.labels.items())
    for record in chosen:
        _check_same(record.name, systems)
    return [record.name for record in chosen]


def _check_same(clip: str, systems: Sequence[System]) -> None:
    """See that a name stands for one recording in all corpora."""
    first, *others = [s.store.speech(s.held_out[clip]) for s in systems]
    for system, other in zip(systems[1:], others, strict=True):
        if not np.array_equal(first, other):
            raise InputError(
                f"clip '{clip}' is another recording in {system.name} than in {systems[0].name}",
                hint="compare runs of one corpus",
            )


def _write_clips(folder: Path, study: Study, systems: Sequence[System], view: View) -> None:
    by_name = {system.name: system for system in systems}
    view.begin("drawing clips")
    for done, shown in enumerate(study.shown.values(), 1):
        system = by_name.get(shown.system, systems[0])
        clip = system.held_out[shown.clip]
        frames = _DRAW.get(shown.system, _generated)(system, clip)
        path = folder / f"{shown.id}.mp4"
        _write(path, frames, system.store, clip)
        os.utime(path, (_LONG_AGO, _LONG_AGO))  # else the order of writing would tell whose it is
        view.advance(done, len(study.shown))
    view.end(f"{len(study.shown)} clips")


def _generated(system: System, clip: int) -> np.ndarray:
    conditioning = condition_clip(system.pipeline, system.store, clip)
    return np.concatenate([to_uint8(chunk) for chunk in system.pipeline.generate(conditioning)])


def _true(system: System, clip: int) -> np.ndarray:
    return system.store.frames(clip)


def _spoiled(system: System, clip: int) -> np.ndarray:
    """Play the true frames backwards, in coarse blocks: nobody attentive prefers that."""
    frames = system.store.frames(clip)[::-1]
    block = max(2, frames.shape[1] // _BLOCK)
    coarse = frames[:, block // 2 :: block, block // 2 :: block]
    return enlarge(coarse, block)[:, : frames.shape[1], : frames.shape[2]]


_DRAW: dict[str, Callable[[System, int], np.ndarray]] = {TRUTH: _true, SPOILED: _spoiled}


def _write(path: Path, frames: np.ndarray, store: ClipStore, clip: int) -> None:
    scale = max(1, round(_HEIGHT / frames.shape[1]))
    size = (frames.shape[2] * scale, frames.shape[1] * scale)
    speech, rate = store.speech(clip), store.index.sample_rate
    with VideoWriter(path, size, store.index.fps, speech, rate) as video:
        for frame in frames:
            video.write(enlarge(frame, scale)[None])


def size_of(folder: Path) -> int:
    """Count the bytes of what raters get."""
    return sum(p.stat().st_size for p in (folder / PAGE).rglob("*") if p.is_file())
