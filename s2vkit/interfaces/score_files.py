"""Scores as files: `metrics.json` and the figures of every clip in `clips.csv`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from s2vkit.interfaces.metric import Score


def clips_csv(split: str, labels: Mapping[str, Mapping[str, str]], scores: Mapping[str, Score]) -> str:
    """Write a line a clip: its name, split, labels as `label.NAME`, and its figures by metric.

    `labels` are those of every clip shown, by its name. A figure that a clip has not is empty.
    """
    label_names = sorted({name for of_clip in labels.values() for name in of_clip})
    metrics = [name for name, score in scores.items() if score.clips]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["clip", "split", *(f"label.{name}" for name in label_names), *metrics])
    for clip, of_clip in labels.items():
        figures = [_cell(scores[name].clips.get(clip)) for name in metrics]
        rows.writerow([clip, split, *(of_clip.get(name, "") for name in label_names), *figures])
    return text.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else repr(float(value))


def score_facts(score: Score) -> dict[str, Any]:
    """Return a score as `metrics.json` holds it: all but the figures of single clips."""
    return {name: value for name, value in asdict(score).items() if name != "clips"}


def finite(data: Any) -> Any:
    """Return plain data whose figures that are not finite are null, as JSON requires."""
    if isinstance(data, dict):
        return {k: finite(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [finite(v) for v in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
