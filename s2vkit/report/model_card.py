"""The model card of a bundle: README.md, as model hubs show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

from s2vkit.report.facts import RunFacts
from s2vkit.report.intervals import clip_interval

NOT_STATED = "not stated; whoever publishes this model has to state it"
_LARGEST = 12  # groups of a label that are shown
_OF_SPEECH = ("identity", "sentence")  # labels that are no groups of people


@dataclass(frozen=True)
class CardOptions:
    """What a run folder does not know of its data."""

    licence: str = ""
    consent: str = ""


def model_card(run: RunFacts, config: Mapping[str, Any], options: CardOptions) -> str:
    """Write the card of a finished run whose bundle has this config.json."""
    template = Template((Path(__file__).parent / "static" / "model_card.md").read_text(encoding="utf-8"))
    plugins = config["plugins"].values()
    watermark = config["components"].get("watermark")
    labels = config["data"]["labels"].items()
    return template.substitute(
        head=_head(run, options),
        name=run.name,
        size=config["data"]["size"],
        fps=f"{config['data']['fps']:g}",
        distributions=", ".join(sorted({f"{one['distribution']} {one['version']}" for one in plugins})),
        dataset=_dataset(run),
        classes=", ".join(f"{len(names)} of {label}" for label, names in labels) or "none",
        licence=options.licence or NOT_STATED,
        consent=options.consent or NOT_STATED,
        figures=_figures(run),
        groups=_groups(run),
        effort=_effort(run),
        watermark=f"the watermark `{watermark['use']}`" if watermark else "the default watermark",
    )


def _head(run: RunFacts, options: CardOptions) -> str:
    results = [
        {"type": key, "name": key, "value": score["value"]}
        for key, score in run.metrics.items()
        if score.get("value") is not None
    ]
    dataset = {"name": _dataset(run), "type": "video", "split": run.evaluated[1] or "test"}
    task = {"type": "audio-to-video", "name": "talking face from speech"}
    measured = {"task": task, "dataset": dataset, "metrics": results}
    head = {
        "library_name": "s2vkit",
        "license": "other",
        "license_name": options.licence or NOT_STATED,
        "tags": ["talking-face", "speech-to-video", "audio-to-video"],
        "model-index": [{"name": run.name, "results": [measured]}],
    }
    return str(yaml.safe_dump(head, sort_keys=False, allow_unicode=True))


def _figures(run: RunFacts) -> str:
    if not run.metrics:
        return "Nothing was measured."
    rows, figures = [], _figures_of_clips(run)
    for name, score in run.metrics.items():
        of_clips = figures.get(name, {})
        found = clip_interval({0: of_clips}, str(score.get("over") or "mean")) if of_clips else None
        interval = f"{found.low:.3f} to {found.high:.3f}" if found else ""
        cells = [
            name,
            _number(score["value"]),
            interval,
            _number(score.get("on_real")),
            _number(score.get("chance")),
        ]
        rows.append([*cells, str(score.get("n", ""))])
    defined = "\n".join(f"- `{name}`: {score.get('definition', '')}" for name, score in run.metrics.items())
    heads = ["metric", "value", "95 % interval over clips", "on real clips", "by chance", "clips"]
    return f"Held-out clips, made from their speech alone.\n\n{_table(heads, rows)}\n\n{defined}"


def _groups(run: RunFacts) -> str:
    """Show the means of each group of people that the clips' labels tell apart."""
    rows, names, figures = [], list(run.metrics), _figures_of_clips(run)
    for label in _labels_of(run):
        groups: dict[str, list[str]] = {}
        for clip in run.clips:
            groups.setdefault(clip[f"label.{label}"], []).append(clip["clip"])
        groups.pop("", None)
        if not 2 <= len(groups) <= _LARGEST:
            continue
        for group, clips in sorted(groups.items()):
            means = [_mean([figures[n][c] for c in clips if c in figures.get(n, {})]) for n in names]
            rows.append([label, group, *means, str(len(clips))])
    if not rows:
        return "The labels of the clips tell no groups apart."
    return _table(["label", "group", *names, "clips"], rows)


def _figures_of_clips(run: RunFacts) -> dict[str, dict[str, float]]:
    """Return metric -> clip -> figure."""
    found: dict[str, dict[str, float]] = {name: {} for name in run.metrics}
    for row in run.clips:
        for name, of_clips in found.items():
            with suppress(ValueError):  # empty: the clip has no such figure
                of_clips[row.get("clip", "")] = float(row.get(name, ""))
    return found


def _labels_of(run: RunFacts) -> list[str]:
    columns = run.clips[0] if run.clips else {}
    named = sorted(c.removeprefix("label.") for c in columns if c.startswith("label."))
    return [label for label in named if label not in _OF_SPEECH]


def _effort(run: RunFacts) -> str:
    about = run.about
    seconds = sum(stage.seconds or 0.0 for stage in run.stages)
    parts = [about.get("machine"), about.get("computed_on"), about.get("gpu")]
    cores = f"{about['cores']} cores" if about.get("cores") else None
    where = ", ".join(str(part) for part in (*parts, cores) if part)
    minutes = f"{seconds / 60:.1f} minutes for all stages"
    return f"{where or 'unknown'}: {minutes}, seed {about.get('seed')}."


def _dataset(run: RunFacts) -> str:
    data = run.recipe.get("data")
    return str(data.get("use")) if isinstance(data, Mapping) else "unknown"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else ""


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f}" if values else ""
