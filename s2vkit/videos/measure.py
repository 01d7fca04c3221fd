"""Measuring the videos of one system: its figures, those of every clip, and what had none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from s2vkit.ahead import ahead
from s2vkit.data.extraction.kinds import Rejected
from s2vkit.device import one_thread
from s2vkit.engine.stop import Stopped
from s2vkit.engine.view import View
from s2vkit.errors import InputError
from s2vkit.files import atomic_folder, write_json, write_text
from s2vkit.interfaces.metric import Metric, Outcome, Score
from s2vkit.interfaces.score_files import clips_csv, finite, score_facts
from s2vkit.recipe.convert import to_plain
from s2vkit.videos.outcomes import Prepared, Preparer
from s2vkit.videos.pairs import Labels, Pair, find_pairs
from s2vkit.videos.progress import Found, Progress
from s2vkit.videos.protocol import Protocol, conditions, hash_of
from s2vkit.videos.unjudged import ALL, Unjudged, left_out, unjudged_csv

AHEAD = 1  # pairs that are cut while one is measured
BESIDE = 2  # metrics that work at once


@dataclass(frozen=True)
class Given:
    """What videos are set beside, the same for all systems."""

    truth: Path | None = None
    audio: Path | None = None
    labels: Labels = field(default_factory=dict)

    def paths(self) -> dict[str, str | None]:
        """Name the folders, as plain data."""
        named = {"truth": self.truth, "audio": self.audio}
        return {name: None if path is None else str(path) for name, path in named.items()}


@dataclass
class Measuring:
    """The parts that measure: built once for all systems."""

    protocol: Protocol
    preparer: Preparer
    metrics: Mapping[str, Any]  # name -> makes the metric
    weights: Mapping[str, str]  # name of a network -> hash of its weights
    apart: frozenset[str]  # names of metrics that ask no network, and so can work side by side
    command: str
    view: View
    stopped: Any  # an event: whether to stop


def measure_videos(videos: Path, given: Given, parts: Measuring, place: Path, request: str = "") -> None:
    """Measure a folder of videos into `place`: its figures, what they are of, and what had none.

    `request` identifies what was asked for. Raises InputError if no video can be measured.
    """
    pairs, unpaired = find_pairs(videos, given.truth, given.audio, given.labels)
    metrics: dict[str, Metric] = {name: make() for name, make in parts.metrics.items()}
    progress = Progress(place, f"{request} {hash_of(conditions(parts.protocol, {}, parts.weights))}")
    parts.view.begin(f"measuring {videos}")
    found = progress.read(metrics, pairs, parts.preparer)
    if found is None:
        found = Found(unjudged=[Unjudged(name, ALL, "no_partner", why) for name, why in unpaired.items()])
    else:
        parts.view.warn(f"{found.done} of {len(pairs)} videos were measured before: going on from there")
    with _threads(parts, metrics) as pool:
        for pair, prepared in ahead(parts.preparer.prepare, pairs[found.done :], AHEAD):
            if (ready := _prepared(pair, prepared, found, parts.view)) is not None:
                _measure_one(pair, ready, metrics, found, partial(_update, parts.apart, pool))
            found.done += 1
            if why := progress.store(found, metrics, stopping=parts.stopped.is_set()):
                parts.view.warn(f"if it is stopped, these videos are measured anew: {why}")
            parts.view.advance(found.done, len(pairs))
            if parts.stopped.is_set():
                raise Stopped
    if not found.labels:
        progress.clear()
        first = found.unjudged[0]
        raise InputError(
            f"{videos}: not one of {len(found.unjudged)} videos can be measured; '{first.clip}': "
            f"{first.reason}: {first.detail}"
        )
    scores = {name: metric.compute() for name, metric in metrics.items()}
    found.unjudged += left_out(scores, list(found.labels))
    about = {"videos": str(videos), **given.paths(), "request": request}
    _write(place, about, parts, found, scores)
    progress.clear()
    parts.view.end(f"{len(found.labels)} clips of {len(pairs)} videos")


@contextmanager
def _threads(parts: Measuring, metrics: Mapping[str, Metric]) -> Iterator[ThreadPoolExecutor]:
    """Yield threads for metrics; where none asks a network, each computes on one core."""
    with ThreadPoolExecutor(BESIDE) as pool, one_thread() if parts.apart >= set(metrics) else nullcontext():
        yield pool


def _update(
    apart: frozenset[str], pool: ThreadPoolExecutor, metrics: Mapping[str, Metric], outcome: Outcome
) -> None:
    """Add a clip to every metric, to those that ask no network in threads beside the others."""
    beside = [pool.submit(metric.update, outcome) for name, metric in metrics.items() if name in apart]
    for name, metric in metrics.items():
        if name not in apart:
            metric.update(outcome)
    for done in beside:
        done.result()


def _prepared(pair: Pair, prepared: Callable[[], Prepared], found: Found, view: View) -> Prepared | None:
    """Wait for what was cut; None, with the reason noted, where a video cannot be measured."""
    try:
        return prepared()
    except Rejected as error:
        reason, detail = error.reason, error.detail
    except InputError as error:
        reason, detail = "undecodable", error.message
    found.unjudged.append(Unjudged(pair.name, ALL, reason, detail))
    view.warn(f"{pair.name}: not measured: {reason}: {detail}")
    return None


def _measure_one(
    pair: Pair,
    ready: Prepared,
    metrics: Mapping[str, Metric],
    found: Found,
    update: Callable[[Mapping[str, Metric], Outcome], None],
) -> None:
    for which, codec in ready.codecs.items():
        found.codecs.setdefault(which, set()).add(codec)
    for outcome in ready.outcomes:
        found.labels[outcome.name] = outcome.labels
        update(metrics, outcome)
    found.videos.append(
        {
            "name": pair.name,
            "video": str(pair.video),
            "real": None if pair.real is None else str(pair.real),
            "clips": [outcome.name for outcome in ready.outcomes],
            "frames": sum(len(outcome.generated) for outcome in ready.outcomes),
            "offset_seconds": ready.offset,
            "correlation": ready.correlation,
            "codecs": dict(ready.codecs),
            "notes": ready.notes,
        }
    )


def _write(
    place: Path, about: dict[str, Any], parts: Measuring, found: Found, scores: Mapping[str, Score]
) -> None:
    codecs = {which: sorted(names) for which, names in sorted(found.codecs.items())}
    known = conditions(parts.protocol, codecs, parts.weights)
    about |= {
        "command": parts.command,
        "protocol": hash_of(known),
        "conditions": known,
        "metrics": {
            name: slot for name, slot in to_plain(parts.protocol)["metrics"].items() if name in scores
        },
        "clips": len(found.labels),
    }
    with atomic_folder(place) as part:
        write_text(part / "clips.csv", clips_csv("", found.labels, scores))
        write_json(part / "metrics.json", finite({name: score_facts(one) for name, one in scores.items()}))
        write_json(part / "videos.json", finite(found.videos))
        write_text(part / "unjudged.csv", unjudged_csv(found.unjudged))
        write_json(part / "about.json", about)
