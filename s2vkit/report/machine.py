"""What a run took and what it ran on: stages, time, memory, warnings, versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from s2vkit.report.facts import RunFacts, StageFacts
from s2vkit.report.markup import Raw, number, size, span, table, text
from s2vkit.report.table import show


def stages_section(facts: RunFacts) -> str:
    """Write the stages in their order: what each trained, how long it took, and its memory."""
    planned = facts.plan
    begun = {stage.name: stage for stage in facts.stages}
    names = list(dict.fromkeys([*facts.planned, *begun]))
    if not names:
        return ""
    longest = max([begun[n].seconds or 0.0 for n in begun], default=0.0)
    rows = [
        (
            f"{place}. {name}",
            _does(planned.get(name, {})),
            _state(begun.get(name), planned, name),
            _time(begun.get(name)),
            _bar(begun.get(name), longest),
            *_memory(begun.get(name)),
        )
        for place, name in enumerate(names, 1)
    ]
    total = sum(stage.seconds or 0.0 for stage in facts.stages)
    rows.append(("all", "", "", span(total), Raw(""), "", ""))
    headings = ("stage", "what it trains", "state", "time", "", "memory", "GPU memory")
    return table(headings, rows, {3, 5, 6}, "stages") + (
        '<p class="soft">Time includes preparing what the stage needed first. Memory: the peak '
        "of the process during the stage, without its workers, which load clips."
        f"{_unknown(facts)}</p>"
    )


def _does(row: Mapping[str, Any]) -> str:
    trains = ", ".join(str(name) for name in row.get("trains") or ())
    steps = f", {row['steps']:,} steps" if isinstance(row.get("steps"), int) else ""
    after = ", ".join(str(name) for name in row.get("after") or ())
    text = f"{trains or 'nothing'}{steps}" if row else ""
    return f"{text}; after {after}" if after else text


def _state(stage: StageFacts | None, planned: Mapping[str, Any], name: str) -> str:
    idle = planned.get(name, {}).get("idle")
    if idle:
        return f"nothing to do: {idle}"
    if stage is None:
        return "not begun"
    if not stage.done:
        return "begun, not finished"
    donor = stage.done.get("taken_from")
    return f"taken over from {donor}" if donor else "finished"


def _time(stage: StageFacts | None) -> str:
    return span(stage.seconds) if stage and stage.seconds is not None else "–"


def _bar(stage: StageFacts | None, longest: float) -> Raw:
    share = (stage.seconds or 0.0) / longest if stage and longest else 0.0
    return Raw(f'<div class="bar" style="--share:{share:.3f}"></div>')


def _memory(stage: StageFacts | None) -> tuple[str, str]:
    memory = stage.done.get("memory") if stage else None
    if not isinstance(memory, Mapping):
        return "–", "–"
    found = [number(memory.get(key)) for key in ("resident", "cuda")]
    resident, cuda = (size(count) if count is not None else "–" for count in found)
    return (f"{resident} (so far)" if memory.get("of") == "process" else resident), cuda


def _unknown(facts: RunFacts) -> str:
    older = [stage for stage in facts.stages if stage.done and "memory" not in stage.done]
    return " Older stages of this run did not record it." if older else ""


def peak(facts: RunFacts) -> float | None:
    """Return the peak memory of the run's stages, in bytes."""
    memory = [s.done.get("memory") for s in facts.stages]
    known = [number(m.get("resident")) for m in memory if isinstance(m, Mapping)]
    return max((count for count in known if count is not None), default=None)


def warnings_section(facts: RunFacts) -> str:
    """Write the warnings of the run, or that there were none."""
    notes = [str(note) for note in facts.about.get("notes") or ()]
    text = "".join(f"<li>{escape(note)}</li>" for note in notes)
    listed = f"<p>Of the recipe was left out:</p><ul>{text}</ul>" if text else ""
    if facts.damaged:
        names = ", ".join(facts.damaged)
        listed += f"<p>These files of the run folder could not be read: {escape(names)}.</p>"
    if not facts.warnings:
        kept = "graph.json" if not facts.graph else ""
        none = "None was recorded: this run is older than that." if kept else "None."
        return f"{listed}<p>{none}</p>"
    rows = [
        [str(note.get(key) or "–") for key in ("time", "stage", "source", "text")] for note in facts.warnings
    ]
    return listed + table(("time", "stage", "from", "warning"), rows, set())


def versions_section(facts: RunFacts) -> str:
    """Write what run.json says: versions, machine, device, seed."""
    known = {k: v for k, v in facts.about.items() if k not in ("command", "commands", "notes")}
    rows = list(_flat(known))
    return table(("what", "value"), rows, set()) if rows else ""


def _flat(known: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, str]]:
    for name, value in known.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", show(value)


def commands_of(facts: RunFacts) -> Raw:
    """Write the commands that made the run; for one that kept none, how to make it again."""
    if facts.commands:
        return Raw("".join(f"<pre><code>{text(line)}</code></pre>" for line in facts.commands))
    if not facts.recipe:
        return Raw("")
    return Raw(
        '<p class="soft">The command was not recorded (an older run, or one started from Python). '
        "The resolved recipe repeats the run:</p>"
        "<pre><code>s2vkit run recipe.yaml</code></pre>"
    )
