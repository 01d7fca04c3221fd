"""Checks of datasets and metrics."""

from __future__ import annotations

import json
import math
import pickle
import re
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from s2vkit.errors import InputError
from s2vkit.footage_options import FootageOptions
from s2vkit.interfaces.dataset import Dataset, Footage, RawClip
from s2vkit.interfaces.metric import Metric, Outcome, Probe, ProbeData, Score
from s2vkit.testing.checking import SIZE, Subject, computing_on, noise
from s2vkit.testing.stand_ins import EMOTION, IDENTITY, LABELS, POINTS, RATE, SUMMARY, stand_in_graph

_FILE_NAME = re.compile(r"[\w.-]+")
_KEY = re.compile(r"[\w-]+", re.ASCII)
_FIELDS = {"speech", "frames"}
_SIDES = {"identity", "emotion"}


def check_dataset(subject: Subject) -> None:
    """Check its list of clips, its labels, one clip, and that a seed gives one result."""
    dataset = subject.build(seed=1)
    if isinstance(dataset, Footage):
        check_footage(subject, dataset)
        return
    subject.require_contract(dataset, Dataset)
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
            problem = f"clip '{clip.name}' has {label} '{given}', which is not in its labels"
            subject.require(given in classes, problem)
    raw = dataset.load(0)
    _check_clip(subject, dataset, raw)
    brought = _FIELDS | set(dataset.labels) | set(raw.truth)
    lacking = set(subject.entry.gives) - brought
    subject.require(not lacking, f"is registered as giving {sorted(lacking)}, but does not")
    time.sleep(1.1)  # so that a start taken from the clock shows
    again = pickle.loads(pickle.dumps(dataset)).load(0)
    same = np.array_equal(raw.frames, again.frames) and np.array_equal(raw.speech, again.speech)
    subject.require(same, "clip 0 loads otherwise the second time")


def check_footage(subject: Subject, footage: Footage) -> None:
    """Check its list of videos, or that it says what is wrong where its root is not there."""
    subject.require_contract(footage, Footage)
    options = subject.options
    subject.require(isinstance(options, FootageOptions), "its options are no FootageOptions")
    if options.root is None or not Path(options.root).is_dir():
        _check_absent(subject, footage)
        return
    survey, sources = footage.survey(), footage.sources()
    subject.require(sources, "lists no source")
    subject.require(survey.found == len(sources), "its survey counts other videos than it lists")
    names = [source.name for source in sources]
    subject.require(len(set(names)) == len(names), "two of its sources have one name")
    for source in sources:
        subject.require(_KEY.fullmatch(source.name), f"'{source.name}': not only letters, - and _")
        split = source.split in ("train", "val", "test")
        subject.require(split, f"source '{source.name}' is in split '{source.split}'")
        subject.require(source.path.exists(), f"source '{source.name}': no {source.path}")
        problem = f"source '{source.name}' has labels that it is not registered as giving"
        subject.require(set(source.labels) & _SIDES <= set(subject.entry.gives), problem)
    again = pickle.loads(pickle.dumps(subject.build(seed=1))).sources()
    subject.require(again == sources, "lists other sources the second time")


def _check_absent(subject: Subject, footage: Footage) -> None:
    for call in (footage.survey, footage.sources):
        try:
            call()
        except InputError as error:
            subject.require(error.hint, "does not say what to do where its root is not there")
        else:
            subject.require(False, "does not raise InputError if its root is not there")


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
        right = truth.shape[:1] == (len(frames),)
        subject.require(right, f"truth '{name}' has shape {truth.shape}, not ({len(frames)}, ...)")
    if "landmarks" in raw.truth:
        shape = raw.truth["landmarks"].shape
        subject.require(shape[1:] == (POINTS, 2), f"landmarks of shape {shape}, not (V, {POINTS}, 2)")


def check_metric(subject: Subject) -> None:
    """Check that it measures fake clips and says what it measured."""
    score = _measure(subject, subject.build())
    subject.require(isinstance(score, Score), f"computes a {type(score).__name__}, no Score")
    figures = {"value": score.value, "on_real": score.on_real, "chance": score.chance}
    for name, figure in figures.items():
        fine = (figure is None and name != "value") or math.isfinite(float(figure or 0.0))
        subject.require(fine, f"its {name} is {figure}")
    subject.require(score.n >= 1, "took in 3 clips, but its n is 0")
    subject.require(score.definition.strip(), "gives no definition of what it measured")
    if score.clips:
        of_clips = [float(figure) for figure in score.clips.values()]
        found = median(of_clips) if score.over == "median" else fmean(of_clips)
        same = math.isclose(found, score.value, rel_tol=1e-6, abs_tol=1e-9)
        subject.require(same, f"its clips' {score.over} is {found}, its value {score.value}")
    try:
        json.dumps(score.details)
    except TypeError as error:
        subject.require(False, f"its details are no plain data: {error}")


def _measure(subject: Subject, metric: Any) -> Any:
    """Run a metric on fake clips, or a probe on fake vectors."""
    if isinstance(metric, Probe):
        subject.require_contract(metric, Probe)
        fine = set(metric.sides) <= {"identity", "emotion"}
        subject.require(fine, f"its sides are {metric.sides}: identity and emotion are known")
        return metric.probe(probe_data(24, 1), probe_data(12, 2))
    subject.require_contract(metric, Metric)
    graph = stand_in_graph(subject.make)
    for outcome in outcomes(graph.evaluators, graph.sync_evaluator, graph.landmarks):
        metric.update(outcome)
    return metric.compute()


def probe_data(clips: int, seed: int) -> ProbeData:
    """Return fake summaries, codes and targets of clips, which are always on the CPU."""
    with computing_on("cpu"):
        codes = {"identity": noise(clips, IDENTITY, seed=seed), "emotion": noise(clips, EMOTION)}
        targets = {side: code + noise(*code.shape, seed=seed + 3) for side, code in codes.items()}
        summary = noise(clips, SUMMARY, seed=seed + 2)
    labels = {k: [v[i % len(v)] for i in range(clips)] for k, v in LABELS.items()}
    labels["sentence"] = [f"sentence{seed}{i // 6}" for i in range(clips)]
    return ProbeData(
        [f"clip{i}" for i in range(clips)],
        labels,
        summary,
        codes,
        targets,
        lambda i: noise(RATE // 2, seed=i).cpu().numpy(),
        RATE,
    )


def _late(speech: Tensor) -> Tensor:
    """Silence the first three quarters of (S,) speech."""
    begin = 3 * len(speech) // 4
    return torch.cat([torch.zeros_like(speech[:begin]), speech[begin:]])


def outcomes(
    evaluators: Mapping[str, Any],
    sync_evaluator: Any = None,
    landmarks: Any = None,
    clips: int = 3,
    frames: int = 12,
) -> list[Outcome]:
    """Return fake clips, generated and real, with labels, ground truth, speech and evaluators."""
    return [
        Outcome(
            f"clip{i}",
            noise(frames, 3, SIZE, SIZE, seed=i),
            noise(frames, 3, SIZE, SIZE, seed=i + 100),
            {name: names[i % len(names)] for name, names in LABELS.items()},
            {
                name: noise(frames, seed=i).abs().cpu().numpy()
                for name in ("mouth_aperture", "eyelid_closure")
            },
            dict(evaluators),
            _late(noise(frames * RATE // 25, scale=0.1, seed=i).cpu()),
            sync_evaluator=sync_evaluator,
            landmarks=landmarks,
        )
        for i in range(clips)
    ]
