"""Checks of what brings clips and what measures them."""

from __future__ import annotations

import json
import math
import pickle
import re
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from s2vkit.parts.dataset import RawClip
from s2vkit.parts.metric import Outcome, Score
from s2vkit.testing.checking import SIZE, Subject, noise
from s2vkit.testing.stand_ins import LABELS, RATE, stand_in_graph

_FILE_NAME = re.compile(r"[\w.-]+")
_FIELDS = {"speech", "frames"}


def check_dataset(subject: Subject) -> None:
    """Check its list of clips, its labels, one clip, and that a seed gives one result."""
    dataset = subject.build(seed=1)
    subject.require_attributes(dataset, size=int, fps=(int, float), sample_rate=int, labels=dict)
    clips = dataset.clips()
    subject.require(clips, "has no clips")
    names = [clip.name for clip in clips]
    subject.require(len(set(names)) == len(names), "two of its clips have one name")
    for clip in clips:
        subject.require(_FILE_NAME.fullmatch(clip.name), f"'{clip.name}' is no file name")
        split = clip.split in ("train", "val", "test")
        subject.require(split, f"clip '{clip.name}' is in split '{clip.split}'")
        for label, classes in dataset.labels.items():
            given = clip.labels.get(label)
            said = f"clip '{clip.name}' has {label} '{given}', which is not in its labels"
            subject.require(given in classes, said)
    raw = dataset.load(0)
    _check_clip(subject, dataset, raw)
    brought = _FIELDS | set(dataset.labels) | set(raw.truth)
    lacking = set(subject.entry.gives) - brought
    subject.require(not lacking, f"is registered as giving {sorted(lacking)}, but does not")
    time.sleep(1.1)  # so that a start taken from the clock shows
    again = pickle.loads(pickle.dumps(dataset)).load(0)
    same = np.array_equal(raw.frames, again.frames) and np.array_equal(raw.speech, again.speech)
    subject.require(same, "clip 0 loads otherwise the second time")


def _check_clip(subject: Subject, dataset: Any, raw: RawClip) -> None:
    frames, speech = raw.frames, raw.speech
    wanted = (len(frames), dataset.size, dataset.size, 3)
    subject.require(frames.shape == wanted, f"frames of shape {frames.shape}, not {wanted}")
    subject.require(frames.dtype == np.uint8, f"frames are {frames.dtype}, not uint8")
    subject.require(speech.ndim == 1, f"speech of shape {speech.shape}, not (S,)")
    subject.require(speech.dtype == np.float32, f"speech is {speech.dtype}, not float32")
    subject.require(np.abs(speech).max(initial=0.0) <= 1.0, "speech is outside [-1, 1]")
    apart = abs(len(frames) / dataset.fps - len(speech) / dataset.sample_rate)
    subject.require(apart < 0.2, f"speech and frames differ by {apart:.2f} s in length")
    for name, truth in raw.truth.items():
        right = truth.shape == (len(frames),)
        subject.require(right, f"truth '{name}' has shape {truth.shape}, not ({len(frames)},)")


def check_metric(subject: Subject) -> None:
    """Check that it measures made-up clips and says what it measured."""
    metric = subject.build()
    graph = stand_in_graph(subject.make)
    for outcome in outcomes(graph.judges, graph.sync_judge):
        metric.update(outcome)
    score = metric.compute()
    subject.require(isinstance(score, Score), f"computes a {type(score).__name__}, no Score")
    figures = {"value": score.value, "on_real": score.on_real, "chance": score.chance}
    for name, figure in figures.items():
        fine = (figure is None and name != "value") or math.isfinite(float(figure or 0.0))
        subject.require(fine, f"its {name} is {figure}")
    subject.require(score.n >= 1, "took in 3 clips, but its n is 0")
    subject.require(score.definition.strip(), "does not say what it measured (definition)")
    try:
        json.dumps(score.details)
    except TypeError as error:
        subject.require(False, f"its details are no plain data: {error}")


def outcomes(
    judges: Mapping[str, Any], sync_judge: Any = None, clips: int = 3, frames: int = 12
) -> list[Outcome]:
    """Make up clips, made and true, with labels, truth, speech and judges."""
    return [
        Outcome(
            f"clip{i}",
            noise(frames, 3, SIZE, SIZE, seed=i),
            noise(frames, 3, SIZE, SIZE, seed=i + 100),
            {name: names[i % len(names)] for name, names in LABELS.items()},
            {name: noise(frames, seed=i).abs().numpy() for name in ("openness", "shut")},
            dict(judges),
            noise(frames * RATE // 25, scale=0.1, seed=i),
            sync_judge=sync_judge,
        )
        for i in range(clips)
    ]
