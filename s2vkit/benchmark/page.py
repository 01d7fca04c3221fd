"""Several runs on one page: figures, the same clips, curves and recipes beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2vkit.benchmark.comparison import Comparison, compare
from s2vkit.benchmark.finished_runs import read_run
from s2vkit.benchmark.formats import ARROWS, beside, figure_of, headings, legend, sentence
from s2vkit.benchmark.grouping import group
from s2vkit.errors import RunFolderError
from s2vkit.files import replacing
from s2vkit.registry import Registry
from s2vkit.report.curves import read_log
from s2vkit.report.facts import RunFacts, open_run
from s2vkit.report.machine import peak
from s2vkit.report.markup import Raw, folded, size, span, table, text
from s2vkit.report.players import MAX_EMBEDDED, ClipBudget, caption, player
from s2vkit.report.plots import grid, plot
from s2vkit.report.shell import Section, render
from s2vkit.report.table import show

_NOWHERE = "–"


def write_comparing_page(
    runs: Sequence[Path], out: Path, registry: Registry, *, command: str = "", budget: int = MAX_EMBEDDED
) -> Path:
    """Write one page of several runs; give its path.

    Raises RunFolderError if a folder is no run or is given twice. Runs that cannot stand
    side by side (other clips, another corpus) are shown all the same, with the reason.
    """
    page = out.resolve()
    labels = _labels(runs)
    facts = [open_run(run, page.parent, label) for run, label in zip(runs, labels, strict=True)]
    clips = ClipBudget(budget)
    sections = [
        Section("Runs", _runs(facts)),
        Section("Metrics", _metrics(runs, facts, registry), _traced(facts, "metrics.json", "clips.csv")),
        Section("The same clips", _clips(facts, clips), _traced(facts, "videos")),
        Section("Curves", _curves(facts), _traced(facts, "stages")),
        Section("What differs in the recipes", _recipes(facts), _traced(facts, "recipe.yaml")),
        Section("Time and memory", _times(facts)),
    ]
    called = f"<pre><code>{text(command)}</code></pre>" if command else ""
    whole = render(" · ".join(labels), f"{len(facts)} runs side by side", sections, summary=called)
    with replacing(page) as part:
        part.write_text(whole, encoding="utf-8")
    return page


def _labels(runs: Sequence[Path]) -> list[str]:
    """Name runs by the ends of their paths that tell them apart."""
    parts = [run.resolve().parts for run in runs]
    for place, one in enumerate(parts):
        if one in parts[:place]:
            raise RunFolderError(f"{runs[place]}: is given twice", hint="give each run once")
    length = 1
    while len({one[-length:] for one in parts}) < len(parts):
        length += 1
    return ["/".join(one[-length:]) for one in parts]


def _traced(facts: Sequence[RunFacts], *names: str) -> str:
    """Link to the files of each run that a section was drawn from, as far as they are there."""
    found = [(run, run.folder / name) for name in names for run in facts]
    links = [run.link(path, f"{run.label}/{path.name}") for run, path in found if path.exists()]
    return f"From {', '.join(links)}." if links else ""


def _runs(facts: Sequence[RunFacts]) -> str:
    rows = []
    for run in facts:
        finished = sum(bool(stage.done) for stage in run.stages)
        known = Raw(f"<code>{text(run.commands[-1])}</code>") if run.commands else "not kept"
        rows.append(
            [
                run.link(run.folder / "report.html", run.label),
                run.name,
                show(run.recipe.get("seed")),
                f"{finished} of {len(run.planned)}",
                str(len(run.warnings)),
                run.version or _NOWHERE,
                known,
            ]
        )
    named = ("run", "recipe", "seed", "stages finished", "warnings", "s2vkit", "made by")
    return table(named, rows, {2, 3, 4})


def _metrics(runs: Sequence[Path], facts: Sequence[RunFacts], registry: Registry) -> str:
    """Compare with intervals where the runs may stand side by side, else say why not."""
    try:
        found = compare(group([read_run(run) for run in runs]), registry, "Metrics")
    except RunFolderError as error:
        plain = _plain(facts)
        why = f"<p>Without intervals and ranks: {text(error.message)}.</p>"
        return why + plain if plain else ""
    return compared(found)


def compared(found: Comparison) -> str:
    """Write a comparison as HTML: the table with definitions to unfold, differences and notes."""
    rows = []
    for row in found.rows:
        definition_text = f"<p>{text(row.refused or row.definition)}.</p>"
        cells = [Raw(folded(f"{row.metric} {ARROWS[row.better]}".strip(), definition_text))]
        for place, cell in enumerate(row.cells):
            value, inside = map(text, figure_of(cell))
            best = f"<b>{value}</b>" if place in row.best else value
            cells.append(Raw(f'{best}<br><span class="soft">{inside}</span>' if inside else best))
        rows.append([*cells, *beside(row)])
    names = headings(found)
    listed = [*map(sentence, found.differences), *found.notes]
    notes = "".join(f"<li>{text(_plainly(note))}</li>" for note in listed)
    return (
        table(names, rows, set(range(1, len(names))), "metrics")
        + f'<p class="soft">Bold: the best by the arrow. {text(legend(found))}</p>'
        + (f"<ul>{notes}</ul>" if notes else "")
    )


def _plainly(markdown: str) -> str:
    return markdown.replace("`", "").replace("\\", "")


def _plain(facts: Sequence[RunFacts]) -> str:
    """Set the figures side by side as they are; a figure that is defined otherwise says so."""
    names = list(dict.fromkeys(name for run in facts for name in run.metrics))
    rows = []
    for name in names:
        scores = [run.metrics.get(name) for run in facts]
        known = [score for score in scores if isinstance(score, Mapping)]
        definitions = {str(score.get("definition")) for score in known}
        other = ", defined differently" if len(definitions) > 1 else ""
        definition_text = "".join(f"<p>{text(one)}.</p>" for one in sorted(definitions))
        cells = [show(score.get("value")) if isinstance(score, Mapping) else _NOWHERE for score in scores]
        rows.append([Raw(folded(f"{name}{other}", definition_text)), *cells])
    names_of = ("metric", *(run.label for run in facts))
    return table(names_of, rows, set(range(1, len(facts) + 1)), "metrics") if rows else ""


def _clips(facts: Sequence[RunFacts], budget: ClipBudget) -> str:
    """Show each clip that at least two runs rendered, of one run after the other."""
    of_run = [{path.stem: path for path in run.videos} for run in facts]
    names = list(dict.fromkeys(name for paths in of_run for name in paths))
    shared = [name for name in names if sum(name in paths for paths in of_run) > 1]
    shown = []
    for name in shared:
        players = []
        for run, paths in zip(facts, of_run, strict=True):
            if name in paths:
                figures = {row.get("clip", ""): row for row in run.clips}.get(name, {})
                caption_text = f"<b>{text(run.label)}</b><br>{caption(run, paths[name], figures)}"
                players.append(player(run, paths[name], budget, caption_text, of=run.label))
        press = '<button type="button" class="all">play side by side</button>'
        shown.append(
            f'<div class="together"><h3>{text(name)}{press}</h3>'
            f'<div class="grid">{"".join(players)}</div></div>'
        )
    if not shown:
        return ""
    alone = len(names) - len(shared)
    more = f" {alone} more clips are of one run alone: see its own page." if alone else ""
    return f'<p class="soft">Left the real clip, right the generated one. {budget.note()}{more}</p>' + (
        "".join(shown)
    )


def _curves(facts: Sequence[RunFacts]) -> str:
    """Overlay each figure that at least two runs logged, a colour a run."""
    logs = [{stage.name: read_log(stage.log) for stage in run.stages} for run in facts]
    stages = list(dict.fromkeys(name for log in logs for name in log))
    nothing = (np.empty(0), np.empty(0))
    drawn: list[tuple[str, str]] = []
    for stage in stages:
        names = _grouped(dict.fromkeys(name for log in logs for name in log.get(stage, {})))
        plots = []
        for name in names:
            series = [log.get(stage, {}).get(name, nothing) for log in logs]
            if sum(len(steps) > 0 for steps, _ in series) > 1:
                lines = [(run.label, *found) for run, found in zip(facts, series, strict=True)]
                plots.append(plot(name, lines))
        if plots:
            drawn.append((f"{stage}: {len(plots)} figures", grid({"": plots})))
    return "\n".join(folded(*stage, opened=place == len(drawn) - 1) for place, stage in enumerate(drawn))


def _grouped(names: Iterable[str]) -> list[str]:
    """Bring names of one beginning together, in the order in which the beginnings come."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.replace("/", ".").partition(".")[0], []).append(name)
    return [name for group in groups.values() for name in group]


def _recipes(facts: Sequence[RunFacts]) -> str:
    """List the values of the resolved recipes that are not the same in all runs."""
    flat = [dict(_flat(run.recipe)) for run in facts]
    keys = list(dict.fromkeys(key for recipe in flat for key in recipe))
    rows = [
        [key, *(recipe.get(key, _NOWHERE) for recipe in flat)]
        for key in keys
        if len({recipe.get(key) for recipe in flat}) > 1
    ]
    if not any(flat):
        return ""
    same = sum(len({recipe.get(key) for recipe in flat}) == 1 for key in keys)
    note = f'<p class="soft">{same} other values are the same in all runs.</p>'
    if not rows:
        return f"<p>Nothing: all {same} values are the same.</p>"
    return table(("value", *(run.label for run in facts)), rows, set()) + note


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Return the leaves of a recipe by their dotted paths."""
    if isinstance(value, Mapping) and value:
        for key, inside in value.items():
            yield from _flat(inside, f"{path}.{key}" if path else str(key))
    else:
        yield path, "null" if value is None else show(value)


def _times(facts: Sequence[RunFacts]) -> str:
    names = list(dict.fromkeys(stage.name for run in facts for stage in run.stages))
    of_run = [{stage.name: stage.seconds for stage in run.stages} for run in facts]
    rows = [[name, *(_span(times.get(name)) for times in of_run)] for name in names]
    if not rows:
        return ""
    rows.append(["all", *(_span(sum(s or 0.0 for s in times.values())) for times in of_run)])
    peaks = [peak(run) for run in facts]
    rows.append(["peak memory", *(size(count) if count else _NOWHERE for count in peaks)])
    headed = ("stage", *(run.label for run in facts))
    return table(headed, rows, set(range(1, len(facts) + 1)))


def _span(seconds: float | None) -> str:
    return span(seconds) if seconds is not None else _NOWHERE
