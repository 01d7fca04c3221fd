"""What a study asks: its questions, its blinded clips, its pairs, and the key that names them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from s2vkit.errors import InputError
from s2vkit.files import read_json

FORMAT = 1
PAGE, KEY = "page", "key.json"  # in the folder of a study: what raters get, and what they do not
TRUTH, SPOILED = "real clips", "spoiled"

QUESTIONS = {
    "natural": "Which face looks more natural?",
    "lips": "Whose lips go better with the speech?",
    "emotion": "Whose face shows the emotion of the voice better?",
}
"""What may be asked by one word."""


@dataclass(frozen=True)
class Question:
    """What raters are asked of each pair."""

    id: str
    text: str


@dataclass(frozen=True)
class Shown:
    """A clip under the name that raters see it by, and what it is."""

    id: str
    system: str
    clip: str


@dataclass(frozen=True)
class Pair:
    """Two blinded clips of one recording; a check has one answer that is evident."""

    id: str
    a: str
    b: str
    check: bool = False


@dataclass(frozen=True)
class Study:
    """All of a study; what of it lies in the page is `page_data`, the rest is the key."""

    id: str
    questions: tuple[Question, ...]
    systems: tuple[str, ...]
    shown: Mapping[str, Shown]
    pairs: Mapping[str, Pair]

    def system(self, blinded: str) -> str:
        """Name the system that made a blinded clip."""
        return self.shown[blinded].system

    def page_data(self) -> dict[str, Any]:
        """Return what the page may know: questions and blinded pairs, in no telling order."""
        return {
            "id": self.id,
            "questions": [{"id": q.id, "text": q.text} for q in self.questions],
            "pairs": [{"id": p.id, "a": p.a, "b": p.b} for p in self.pairs.values()],
        }

    def key_data(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return the key as plain data: which blinded clip is whose, which pair is a check."""
        return {
            "format": FORMAT,
            "study": self.id,
            **about,
            "questions": [{"id": q.id, "text": q.text} for q in self.questions],
            "systems": list(self.systems),
            "clips": {s.id: {"system": s.system, "clip": s.clip} for s in self.shown.values()},
            "pairs": {p.id: {"a": p.a, "b": p.b, "check": p.check} for p in self.pairs.values()},
        }


def read_study(folder: Path) -> Study:
    """Read the key of a study's folder. Raises InputError if there is none, or a damaged one."""
    path = folder / KEY
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        what = "no readable key" if data is None else "a key of another format"
        raise InputError(
            f"{path}: {what}", hint="name the folder that `s2vkit study make RUN... -o DIR` wrote"
        )
    try:
        return Study(
            data["study"],
            tuple(Question(**q) for q in data["questions"]),
            tuple(data["systems"]),
            {i: Shown(i, c["system"], c["clip"]) for i, c in data["clips"].items()},
            {i: Pair(i, p["a"], p["b"], p["check"]) for i, p in data["pairs"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged: {type(error).__name__}: {error}") from error


def plan_study(
    systems: Sequence[str],
    clips: Sequence[str],
    questions: Sequence[Question],
    *,
    seed: int,
    checks: Sequence[str] = (),
) -> Study:
    """Pair every two systems on every clip, and the real beside a spoiled clip for the `checks`.

    The blinded names follow from the seed, systems and clips; neither they nor the order of
    the pairs nor the sides within a pair reveal which system made a clip.
    """
    inputs = "\n".join([str(seed), *systems, *clips, *(q.text for q in questions), *checks])
    chance = random.Random(inputs)
    shown: dict[str, Shown] = {}

    def blind(system: str, clip: str) -> str:
        text = f"{inputs}\n{system}\n{clip}"
        name = "c" + hashlib.sha256(text.encode()).hexdigest()[:10]
        shown[name] = Shown(name, system, clip)
        return name

    sides = [(blind(a, c), blind(b, c), False) for c in clips for a, b in combinations(systems, 2)]
    sides += [(blind(TRUTH, c), blind(SPOILED, c), True) for c in checks]
    chance.shuffle(sides)
    pairs = {}
    for number, (a, b, check) in enumerate(sides, 1):
        name = f"p{number:03d}"
        pairs[name] = Pair(name, *((a, b) if chance.random() < 0.5 else (b, a)), check)
    study = hashlib.sha256(inputs.encode()).hexdigest()[:12]
    in_order = {name: shown[name] for name in sorted(shown)}
    return Study(study, tuple(questions), tuple(systems), in_order, pairs)


def questions_of(given: Sequence[str]) -> tuple[Question, ...]:
    """Turn what the user asks, words of QUESTIONS or sentences, into questions.

    Raises InputError if one is empty or said twice.
    """
    asked = []
    for number, text in enumerate(given or tuple(QUESTIONS), 1):
        known = QUESTIONS.get(text.strip().lower())
        question = text.strip()
        if not question:
            raise InputError("a question is empty", hint=f"words: {', '.join(QUESTIONS)}")
        asked.append(Question(question.lower(), known) if known else Question(f"q{number}", question))
    if len({q.text for q in asked}) != len(asked):
        raise InputError("a question is asked twice")
    return tuple(asked)


def names_of(runs: Sequence[Path]) -> list[str]:
    """Name systems by their run folders: the last part of the path, or as much as tells them.

    Raises InputError if a folder is named twice.
    """
    whole = [run.resolve() for run in runs]
    if len(set(whole)) != len(whole):
        raise InputError("a run is named twice", hint="name each run folder once")
    for parts in range(1, max(len(path.parts) for path in whole) + 1):
        names = ["/".join(path.parts[-parts:]) for path in whole]
        if len(set(names)) == len(names) and not {TRUTH, SPOILED} & set(names):
            break
    return names
