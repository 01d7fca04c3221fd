"""Speakers unseen in training: the faces generated for them, and whom those resemble."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from s2vkit.benchmark.comparison import Agreement
from s2vkit.data.store import ClipStore
from s2vkit.engine.run import Run
from s2vkit.interfaces.dataset import ClipFiles
from s2vkit.interfaces.pixels import to_images, to_uint8
from s2vkit.recipe.load import load_recipe
from s2vkit.registry import Registry

VOICES, CLIPS = 6, 6  # shown, and made of each
_CHUNK = 64


@dataclass
class Voice:
    """One voice and the faces generated for it; pictures are uint8 (H, W, 3)."""

    name: str
    attributes: dict[str, str]
    clips: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)  # the emotion of each clip, where known
    real: list[np.ndarray] = field(default_factory=list)
    generated: list[np.ndarray] = field(default_factory=list)
    like_generated: list[str] = field(default_factory=list)  # the real person most alike
    like_real: list[str] = field(default_factory=list)

    def agree(self, attribute: str, like: Sequence[str], known: Mapping[str, Any]) -> list[bool]:
        """Return for each clip whether the most similar person shares the attribute."""
        value = self.attributes.get(attribute)
        return [known[speaker].get(attribute) == value for speaker in like]


Known = dict[str, dict[str, str]]  # speaker -> attribute -> value


@dataclass(frozen=True)
class Unseen:
    """A corpus with speakers unseen in training, and the known attributes of all people."""

    store: ClipStore
    voices: list[str]  # never heard
    known: Known  # of them, and of training's speakers


def attributes_of(clips: Sequence[ClipFiles]) -> Known:
    """Return the attributes of every speaker: labels that never change with the clip.

    A label with one value for all speakers is uninformative and left out.
    """
    by_speaker: dict[str, dict[str, set[str]]] = {}
    for clip in clips:
        values = by_speaker.setdefault(clip.labels.get("identity", ""), {})
        for name, value in clip.labels.items():
            values.setdefault(name, set()).add(value)
    names = {name for values in by_speaker.values() for name in values} - {"identity"}
    steady = {n for n in names if all(len(values.get(n, ())) <= 1 for values in by_speaker.values())}
    telling = {n for n in steady if len({v for values in by_speaker.values() for v in values.get(n, ())}) > 1}
    return {
        speaker: {name: next(iter(values[name])) for name in sorted(telling) if values.get(name)}
        for speaker, values in by_speaker.items()
        if speaker
    }


@contextmanager
def voices_of(run: Run, sets: Sequence[str], registry: Registry) -> Iterator[Unseen]:
    """Yield the corpus of speakers that are unseen in the run's training.

    `sets` changes the recipe's `data` so that it has further speakers; without any, they are
    those of the run's own corpus that its training split lacks.
    """
    trained = {c.labels.get("identity", "") for c in run.store.clips if c.split == "train"}
    if not sets:
        yield _unseen(run.store, attributes_of(run.dataset.clips()), trained)
        return
    output = f"output={json.dumps(str(run.folder), ensure_ascii=False)}"
    loaded = load_recipe(run.folder / "recipe.yaml", [*sets, output], registry)
    other = Run(loaded, run.folder, run.console, run.stopped, registry, finished=True)
    with closing(other.cache):
        known = attributes_of(other.dataset.clips())
        yield _unseen(other.cache.open(), known, trained)


def _unseen(store: ClipStore, known: Known, trained: set[str]) -> Unseen:
    there = {clip.labels.get("identity", "") for clip in store.clips} - {""}
    people = {speaker: known.get(speaker, {}) for speaker in sorted(there)}
    return Unseen(store, [speaker for speaker in people if speaker not in trained], people)


def make_faces(run: Run, unseen: Unseen) -> list[Voice]:
    """Generate clips of unseen speakers, and find the most similar real person for each."""
    work, found, store = run.work(), [], unseen.store
    work.store = store
    evaluator = run.graph.evaluators.get("identity")
    real_codes = _codes_of_real(evaluator, store, list(unseen.known)) if evaluator and unseen.voices else None
    for done, name in enumerate(unseen.voices, 1):
        voice = Voice(name, unseen.known[name])
        for place, clip in enumerate(clips_of(store, name)):
            outcome = work.outcome(clip)
            voice.clips.append(outcome.name)
            voice.captions.append(outcome.labels.get("emotion", ""))
            middle = len(outcome.generated) // 2
            voice.generated.append(to_uint8(outcome.generated[middle]))
            voice.real.append(to_uint8(outcome.real[middle]))
            if real_codes is not None:
                code = embedded(evaluator, outcome.generated)
                voice.like_generated.append(most_alike(code, real_codes))
                voice.like_real.append(most_alike(real_codes[name][place], real_codes, (name, place)))
        found.append(voice)
        work.progress(done, len(unseen.voices))
    return found


def clips_of(store: ClipStore, speaker: str) -> list[int]:
    """Pick a few clips of a speaker, evenly over all of them."""
    clips = [i for i, clip in enumerate(store.clips) if clip.labels.get("identity") == speaker]
    count = min(CLIPS, len(clips))
    return [clips[(2 * k + 1) * len(clips) // (2 * count)] for k in range(count)]


def _codes_of_real(evaluator: Any, store: ClipStore, people: Sequence[str]) -> dict[str, Tensor]:
    """Return an evaluator's embeddings of real clips of everyone: (clips, D) each."""
    place = next(evaluator.parameters()).device
    return {
        name: torch.stack(
            [
                embedded(evaluator, to_images(torch.from_numpy(store.frames(clip))).to(place))
                for clip in clips_of(store, name)
            ]
        )
        for name in people
    }


@torch.inference_mode()
def embedded(evaluator: Any, frames: Tensor) -> Tensor:
    """Return an evaluator's mean embedding of frames (V, 3, H, W): (D,) on the CPU."""
    codes = torch.cat([evaluator(part.float()) for part in frames.split(_CHUNK)])
    return codes.float().mean(0).cpu()


def most_alike(code: Tensor, real_codes: Mapping[str, Tensor], but: tuple[str, int] | None = None) -> str:
    """Return the person with the mean nearest to a code (D,) by cosine; `but` excludes a clip of a person."""
    near: dict[str, float] = {}
    for name, codes in real_codes.items():
        kept = [row for i, row in enumerate(codes) if (name, i) != but]
        if kept:
            near[name] = float(torch.cosine_similarity(code, torch.stack(kept).mean(0), dim=0))
    return max(near, key=lambda name: near[name])


def agreements(system: str, seed: int, voices: Sequence[Voice], known: Known) -> list[Agreement]:
    """Return the share of clips that agree with the speaker, by attribute."""
    found = []
    for attribute in sorted({name for voice in voices for name in voice.attributes}):
        known_voices = [voice for voice in voices if attribute in voice.attributes]
        generated = [a for v in known_voices for a in v.agree(attribute, v.like_generated, known)]
        real = [a for v in known_voices for a in v.agree(attribute, v.like_real, known)]
        others = [one.get(attribute) for one in known.values()]
        by_chance = [
            fmean(other == voice.attributes[attribute] for other in others)
            for voice in known_voices
            for _ in voice.like_generated
        ]
        if generated:
            found.append(
                Agreement(
                    system,
                    attribute,
                    fmean(generated),
                    fmean(real),
                    fmean(by_chance),
                    len(generated),
                    len(known_voices),
                    seed,
                )
            )
    return found
