"""Voices that training never heard: what faces are made for them, and whom those are like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from s2vkit.data.store import ClipStore
from s2vkit.engine.run import Run
from s2vkit.parts.dataset import ClipFiles
from s2vkit.recipe.load import load_recipe
from s2vkit.registry import Registry
from s2vkit.report.comparison.core import Agreement
from s2vkit.report.pictures import to_uint8

VOICES, CLIPS = 6, 6  # shown, and made of each
_CHUNK = 64


@dataclass
class Voice:
    """One voice and the faces made for it; pictures are uint8 (H, W, 3)."""

    name: str
    attributes: dict[str, str]
    clips: list[str] = field(default_factory=list)
    true: list[np.ndarray] = field(default_factory=list)
    made: list[np.ndarray] = field(default_factory=list)
    like_made: list[str] = field(default_factory=list)  # the training speaker most alike
    like_true: list[str] = field(default_factory=list)

    def agree(self, attribute: str, like: Sequence[str], known: Mapping[str, Any]) -> list[bool]:
        """Tell of each clip whether whom it is like shares the attribute."""
        own = self.attributes.get(attribute)
        return [known[who].get(attribute) == own for who in like]


def attributes_of(clips: Sequence[ClipFiles]) -> dict[str, dict[str, str]]:
    """Give what is known of every speaker: labels that never change with the clip.

    A label that has one value for all speakers tells nothing, and is left out.
    """
    seen: dict[str, dict[str, set[str]]] = {}
    for clip in clips:
        own = seen.setdefault(clip.labels.get("identity", ""), {})
        for name, value in clip.labels.items():
            own.setdefault(name, set()).add(value)
    names = {name for own in seen.values() for name in own} - {"identity"}
    steady = {n for n in names if all(len(own.get(n, ())) <= 1 for own in seen.values())}
    told = {n for n in steady if len({v for own in seen.values() for v in own.get(n, ())}) > 1}
    return {
        who: {name: next(iter(own[name])) for name in sorted(told) if own.get(name)}
        for who, own in seen.items() if who
    }  # fmt: skip


@contextmanager
def voices_of(
    run: Run, sets: Sequence[str], registry: Registry
) -> Iterator[tuple[ClipStore, dict[str, dict[str, str]], dict[str, dict[str, str]]]]:
    """Lend the corpus of unheard voices, and what is known of them and of training's speakers.

    `sets` changes the recipe's `data` so that it has further speakers; without any, they are
    those of the run's own corpus that its training split lacks.
    """
    trained = {clip.labels.get("identity", "") for clip in run.store.clips if clip.split == "train"}
    if not sets:
        known = attributes_of(run.dataset.clips())
        yield run.store, _without(known, trained), _only(known, trained)
        return
    output = f"output={run.folder}"
    other = Run(
        load_recipe(run.folder / "recipe.yaml", [*sets, output], registry), run.folder,
        run.console, run.stopped, registry,
    )  # fmt: skip
    with closing(other.cache):
        known = attributes_of(other.dataset.clips())
        yield other.cache.open(), _without(known, trained), _only(known, trained)


def _without(known: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {who: what for who, what in known.items() if who not in names}


def _only(known: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {who: what for who, what in known.items() if who in names}


def make_faces(
    run: Run, store: ClipStore, voices: Mapping[str, dict[str, str]], speakers: Sequence[str]
) -> list[Voice]:
    """Make clips of unheard voices, and find which training speaker each is most alike."""
    work, found = run.work(), []
    work.store = store
    judge = run.graph.judges.get("identity")
    for done, (name, known) in enumerate(sorted(voices.items()), 1):
        voice = Voice(name, known)
        own = [i for i, clip in enumerate(store.clips) if clip.labels.get("identity") == name]
        count = min(CLIPS, len(own))
        for clip in [own[(2 * k + 1) * len(own) // (2 * count)] for k in range(count)]:
            outcome = work.outcome(clip)
            voice.clips.append(outcome.name)
            middle = len(outcome.made) // 2
            voice.made.append(to_uint8(outcome.made[middle]))
            voice.true.append(to_uint8(outcome.true[middle]))
            if judge is not None:
                voice.like_made.append(most_alike(judge, outcome.made, speakers))
                voice.like_true.append(most_alike(judge, outcome.true, speakers))
        found.append(voice)
        work.progress(done, len(voices))
    return found


@torch.inference_mode()
def most_alike(judge: Any, frames: Tensor, speakers: Sequence[str]) -> str:
    """Name the one of `speakers` whom a judge finds in frames (V, 3, H, W) by far the likeliest."""
    logits = torch.cat([judge.classify(part.float()) for part in frames.split(_CHUNK)])
    chances = logits.float().log_softmax(-1).mean(0)
    places = [i for i, name in enumerate(judge.classes) if name in speakers]
    return str(judge.classes[max(places, key=lambda i: float(chances[i]))])


def agreements(
    system: str, seed: int, voices: Sequence[Voice], known: Mapping[str, dict[str, str]]
) -> list[Agreement]:
    """Give the share of clips that agree with the speaker, by attribute."""
    found = []
    for attribute in sorted({name for voice in voices for name in voice.attributes}):
        made = [a for v in voices for a in v.agree(attribute, v.like_made, known)]
        real = [a for v in voices for a in v.agree(attribute, v.like_true, known)]
        by_chance = [
            fmean(one.get(attribute) == voice.attributes.get(attribute) for one in known.values())
            for voice in voices for _ in voice.clips
        ]  # fmt: skip
        if made:
            found.append(Agreement(
                system, attribute, fmean(made), fmean(real), fmean(by_chance), len(made),
                len(voices), seed,
            ))  # fmt: skip
    return found
