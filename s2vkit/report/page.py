"""The page of a run: one static file that opens from the disk and fetches nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from s2vkit.files import replacing
from s2vkit.report.probes import probe_section
from s2vkit.report.table import HEADINGS, metric_rows, show

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1c1d21; --paper: #fbfbf9; --soft: #6b6d76;
  --line: #dcdcd6; --card: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e3; --paper: #17181b; --soft: #9a9ca5; --line: #34363c; --card: #202226; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.soft, figcaption { color: var(--soft); font-size: .875rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: var(--card); border: 1px solid var(--line); padding: .8rem; overflow-x: auto;
  font-size: .8rem; }
.grid { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
figure { margin: 0 0 1rem; } figcaption { overflow-wrap: anywhere; }
img, video { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); }
video { width: 100%; background: #000; } summary { cursor: pointer; }
</style></head><body>
<header><h1>$title</h1><p class="soft">$subtitle</p></header>
<main>
$body
</main></body></html>
""")
"""A page with $title, $subtitle and $body; it opens from the disk and fetches nothing."""


def write_page(run_dir: str | Path) -> Path:
    """Write report.html of what the run folder holds: each of its files is optional.

    Pictures lie in the page itself; clips are played from the run folder, by relative paths,
    so the folder can be moved as a whole. Returns the page's path.
    """
    run = Path(run_dir).resolve()
    facts = _read_json(run / "run.json")
    metrics = _read_json(run / "metrics.json")
    sections = [
        ("Clips", _clips(run)),
        ("Metrics", _metrics(metrics)),
        ("Who and how: what the codes tell", probe_section(metrics)),
        ("Samples", _pictures(run / "samples")),
        ("Curves", _pictures(run / "curves")),
        ("Time", _times(run)),
        ("Recipe", _recipe(run / "recipe.yaml")),
        ("Versions and machine", _facts(facts)),
    ]
    body = [f"<section><h2>{name}</h2>\n{inside}</section>" for name, inside in sections if inside]
    page = PAGE.substitute(
        title=escape(run.name),
        subtitle=escape(_count(run)),
        body="\n".join(body) or "<p>This run has made nothing yet.</p>",
    )
    with replacing(run / "report.html") as part:
        part.write_text(page, encoding="utf-8")
    return run / "report.html"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _count(run: Path) -> str:
    finished = len(list(run.glob("stages/*/done.json")))
    begun = len([folder for folder in run.glob("stages/*") if folder.is_dir()])
    return f"{finished} of {begun} stages begun are finished"


def _clips(run: Path) -> str:
    shown = []
    for clip in sorted(run.glob("videos/*.mp4")):
        place = quote(clip.relative_to(run).as_posix())
        shown.append(
            f'<figure><video controls preload="metadata" src="{place}"></video>'
            f"<figcaption>{escape(clip.stem)}</figcaption></figure>"
        )
    return f'<div class="grid">{"".join(shown)}</div>' if shown else ""


def _pictures(folder: Path) -> str:
    shown = []
    for picture in sorted(folder.glob("*.png")):
        data = base64.b64encode(picture.read_bytes()).decode("ascii")
        name = escape(picture.stem)
        shown.append(
            f'<figure><img alt="{name}" src="data:image/png;base64,{data}">'
            f"<figcaption>{name}</figcaption></figure>"
        )
    return "\n".join(shown)


def table(headings: Iterable[str], rows: Iterable[Iterable[str]], numbers: set[int]) -> str:
    """Write a table as HTML; the columns `numbers` are right-aligned figures."""

    def line(cells: Iterable[str], tag: str) -> str:
        marks = [' class="n"' if place in numbers else "" for place in range(20)]
        inside = "".join(
            f"<{tag}{mark}>{escape(cell)}</{tag}>" for cell, mark in zip(cells, marks, strict=False)
        )
        return f"<tr>{inside}</tr>"

    body = "\n".join(line(row, "td") for row in rows)
    head = line(headings, "th")
    return f'<div class="wide"><table><thead>{head}</thead>\n<tbody>{body}</tbody></table></div>'


def _metrics(metrics: dict[str, Any]) -> str:
    rows = metric_rows(metrics)
    return table(HEADINGS, rows, {1, 2, 3, 4}) if rows else ""


def _times(run: Path) -> str:
    spent = {}
    for done in sorted(run.glob("stages/*/done.json")):
        seconds = _read_json(done).get("seconds")
        if isinstance(seconds, int | float):
            spent[done.parent.name] = float(seconds)
    if not spent:
        return ""
    rows = [*spent.items(), ("all", sum(spent.values()))]
    return table(("stage", "time"), [(name, _span(seconds)) for name, seconds in rows], {1})


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _recipe(path: Path) -> str:
    if not path.is_file():
        return ""
    text = escape(path.read_text(encoding="utf-8", errors="replace"))
    return f"<details><summary>the recipe as it was resolved</summary><pre>{text}</pre></details>"


def _facts(facts: dict[str, Any]) -> str:
    rows = list(_flat(facts))
    return table(("what", "value"), rows, set()) if rows else ""


def _flat(facts: dict[str, Any], before: str = "") -> Iterable[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", show(value)
