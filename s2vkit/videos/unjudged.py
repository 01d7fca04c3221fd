"""What cannot be measured, with the reason: counted, and written beside the figures."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from s2vkit.interfaces.metric import Score


@dataclass(frozen=True)
class Unjudged:
    """A video, or one metric of a clip, without a figure."""

    clip: str
    metric: str  # "all": the video was not measured
    reason: str  # a word
    detail: str


ALL = "all"
_HEADS = ("clip", "metric", "reason", "detail")


def left_out(scores: Mapping[str, Score], clips: Sequence[str]) -> list[Unjudged]:
    """List the clips for which a metric has no finite figure, by what its details say of them."""
    found = []
    for name, score in scores.items():
        if not score.clips:  # a figure of the whole set, or of no clip at all
            missing = [] if score.n else list(clips)
        else:
            missing = [clip for clip in clips if clip not in score.clips]
        why = score.details.get("why_left_out")
        reasons: Mapping[str, str] = why if isinstance(why, Mapping) else {}
        for clip in missing:
            detail = reasons.get(clip, "the metric's definition leaves this clip out")
            found.append(Unjudged(clip, name, "left_out", detail))
        infinite = [clip for clip, value in score.clips.items() if not math.isfinite(value)]
        found += [
            Unjudged(clip, name, "not_finite", f"its figure is {score.clips[clip]}") for clip in infinite
        ]
    return found


def unjudged_csv(found: Sequence[Unjudged]) -> str:
    """Write a line each."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_HEADS)
    rows.writerows((one.clip, one.metric, one.reason, one.detail) for one in found)
    return text.getvalue()


def read_unjudged(path: Path) -> list[Unjudged]:
    """Read what `unjudged_csv` wrote; nothing where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [Unjudged(*(row[head] for head in _HEADS)) for row in csv.DictReader(file)]


def counted(found: Sequence[Unjudged]) -> str:
    """Count by reason: `2 videos not measured (1 no_face, 1 silent); ssim left 3 clips out`."""
    whole = Counter(one.reason for one in found if one.metric == ALL)
    parts = []
    if whole:
        listing = ", ".join(f"{count} {reason}" for reason, count in whole.most_common())
        parts.append(f"{whole.total()} video{'s' * (whole.total() > 1)} not measured ({listing})")
    by_metric = Counter(one.metric for one in found if one.metric != ALL)
    parts += [f"{name} left {count} clip{'s' * (count > 1)} out" for name, count in by_metric.items()]
    return "; ".join(parts)
