"""The page of a run: all results in one file, each figure with its source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from s2vkit.files import replacing
from s2vkit.report.curves import read_log
from s2vkit.report.diagram import diagram_section
from s2vkit.report.facts import RunFacts
from s2vkit.report.machine import commands_of, peak, stages_section, versions_section, warnings_section
from s2vkit.report.markup import Raw, folded, picture, size, span, text
from s2vkit.report.players import MAX_EMBEDDED, ClipBudget, clips_section
from s2vkit.report.plots import grid, panels, plot
from s2vkit.report.probes import probe_section
from s2vkit.report.scores import clips_table, confusion_section, metrics_section
from s2vkit.report.shell import Section, render

_DAMAGE = (AttributeError, KeyError, IndexError, TypeError, ValueError, OSError)
"""What a damaged file of a run folder leads to: its section is left out, and says so."""

_SHEETS = {
    "over_time": "Held-out clips over training: one column for each time, the real frame last",
    "held_out": "Moments of held-out clips, the real ones above the generated ones",
    "identity_emotion": "Every speaker (rows) in every emotion (columns), at one sound",
    "identity_maps": "Channels of the identity maps: inflated from the code, and the teacher's",
}
"""What the sheets show, in the order in which they are shown; others come after."""


def write_page(run_dir: str | Path, out: str | Path | None = None, *, budget: int = MAX_EMBEDDED) -> Path:
    """Write report.html of what a run folder holds: each of its files is optional.

    Pictures and curves lie in the page itself, and clips up to `budget` bytes (20 MB); further
    ones are played from the run folder, by relative paths. `out` is another place for the
    page. Returns the page's path.
    """
    run = Path(run_dir).resolve()
    page = Path(out).resolve() if out is not None else run / "report.html"
    facts = RunFacts(run, page.parent)
    with replacing(page) as part:
        part.write_text(run_page(facts, ClipBudget(budget)), encoding="utf-8")
    return page


def run_page(facts: RunFacts, budget: ClipBudget) -> str:
    """Write the page of a run as HTML."""
    link, folder = facts.link, facts.folder
    metrics = link(folder / "metrics.json")
    sections = [
        _section("Clips", facts, lambda: clips_section(facts, budget), _of_clips(facts)),
        _section("Metrics", facts, lambda: metrics_section(facts), metrics),
        _section(
            "Every clip", facts, lambda: clips_table(facts), link(folder / "clips.csv") + _of_corpus(facts)
        ),
        _section("Confusions", facts, lambda: confusion_section(facts), metrics),
        _section("Probes: what the codes reveal", facts, lambda: probe_section(facts.metrics), metrics),
        _section("Samples", facts, lambda: _sheets(facts)),
        _section("Graph", facts, lambda: diagram_section(facts), link(folder / "graph.json")),
        _section("Curves", facts, lambda: _curves(facts)),
        _section("Time and memory", facts, lambda: stages_section(facts), _of_stages(facts)),
        _section("Recipe", facts, lambda: _recipe(facts), link(folder / "recipe.yaml")),
        _section("Versions and machine", facts, lambda: versions_section(facts), link(folder / "run.json")),
    ]
    begun = bool(facts.stages) or any(section.inside for section in sections)
    if begun:  # at last, so that it knows of every damaged file
        content, kept = warnings_section(facts), folder / "warnings.jsonl"
        traced = f"From {link(kept)}." if kept.exists() else ""
        sections.insert(-2, Section("Warnings", content, traced))
    empty = "This run has no results yet."
    return render(facts.name, _count(facts), sections, summary=_summary(facts), empty=empty)


def _section(name: str, facts: RunFacts, draw: Callable[[], str], traced: str = "") -> Section:
    """Render a section; a failure is reported in its place and affects no other section."""
    try:
        inside = draw()
    except _DAMAGE as error:
        facts.damaged.append(f"what “{name}” is drawn from")
        message = text(f"This section could not be rendered: {type(error).__name__}: {error}")
        inside = f"<p>{message}</p>"
    return Section(name, inside, f"From {traced}." if inside and traced else "")


def _count(facts: RunFacts) -> str:
    finished = sum(bool(stage.done) for stage in facts.stages)
    all_of = {name for name in facts.planned if not facts.plan.get(name, {}).get("idle")}
    count = len(all_of | {stage.name for stage in facts.stages})
    return f"{facts.folder.name}: {finished} of {count} stages are finished"


def _summary(facts: RunFacts) -> str:
    """Write the command that made the run, and the main facts."""
    about, seconds = facts.about, [s.seconds for s in facts.stages if s.seconds is not None]
    known = {
        "seed": about.get("seed", facts.recipe.get("seed")),
        "computed on": about.get("computed_on"),
        "time": span(sum(seconds)) if seconds else None,
        "peak memory": size(peak_memory) if (peak_memory := peak(facts)) else None,
        "warnings": Raw(f'<a href="#warnings">{len(facts.warnings)}</a>') if facts.graph else None,
        "s2vkit": facts.version,
    }
    pairs = "".join(
        f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>"
        for name, value in known.items()
        if value is not None
    )
    return commands_of(facts) + (f'<dl class="key">{pairs}</dl>' if pairs else "")


def _of_clips(facts: RunFacts) -> str:
    return f"{facts.link(facts.folder / 'videos')}, each named after its clip{_of_corpus(facts)}"


def _of_corpus(facts: RunFacts) -> str:
    """Describe which corpus the clips' names refer to: the corpus follows from the recipe and the seed."""
    data = facts.recipe.get("data")
    corpus = data.get("use") if isinstance(data, dict) else None
    if not corpus:
        return ""
    recipe = facts.link(facts.folder / "recipe.yaml", "the recipe's data")
    return f" of the corpus {text(corpus)} ({recipe}, seed {text(facts.recipe.get('seed'))})"


def _of_stages(facts: RunFacts) -> str:
    return ", ".join(facts.link(s.folder / "done.json") for s in facts.stages)


def _sheets(facts: RunFacts) -> str:
    found = {path.stem: path for path in sorted(facts.folder.glob("samples/*.png"))}
    order = [*(name for name in _SHEETS if name in found), *(n for n in found if n not in _SHEETS)]
    shown = []
    for name in order:
        says = _SHEETS.get(name, name)
        caption = Raw(f"{text(says)}. {facts.link(found[name])}")
        shown.append(picture(found[name], caption, says))
    return "\n".join(shown)


def _curves(facts: RunFacts) -> str:
    drawn = []
    for stage in facts.stages:
        groups = panels(read_log(stage.log))
        kept = facts.folder / "curves" / f"{stage.name}.png"
        if groups:
            plots = {name: [plot(*panel) for panel in group] for name, group in groups.items()}
            inside = grid(plots)
        elif kept.is_file():
            inside = picture(kept, "", f"curves of {stage.name}")
        else:
            continue
        traced = f'<p class="trace">From {facts.link(stage.log)}{_by(facts, stage.done)}.</p>'
        drawn.append(folded(stage.name, inside + traced, opened=True))
    if not drawn:
        return ""
    return (
        '<p class="soft">Line: the mean of a range of steps. Band: its minimum and maximum. '
        "The figures below are means of the last fortieth.</p>" + "\n".join(drawn)
    )


def _by(facts: RunFacts, done: dict[str, object]) -> str:
    """Name the command that ran a stage, or point to it where it is the run's only one."""
    command = done.get("command")
    if not command:
        return ""
    if facts.commands == [command]:
        return ', written by <a href="#top">the command at the top</a>'
    return f", written by <code>{text(command)}</code>"


def _recipe(facts: RunFacts) -> str:
    if not facts.recipe_text:
        return ""
    given = facts.about.get("recipe")
    came = f"<p>Resolved from {text(given)}; it can be run as it is.</p>" if given else ""
    return came + folded("the recipe as it was resolved", f"<pre>{text(facts.recipe_text)}</pre>")
