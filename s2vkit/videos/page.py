"""One page of evaluated videos: figures, where they came from, and what could not be measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from s2vkit.benchmark.comparison import Comparison
from s2vkit.benchmark.finished_runs import Finished
from s2vkit.benchmark.groups import GROUP_HEADS, GroupFigure, group_rows
from s2vkit.benchmark.page import compared
from s2vkit.files import read_json, replacing
from s2vkit.report.markup import Raw, folded, table, text
from s2vkit.report.shell import Section, check_place, render
from s2vkit.report.table import show
from s2vkit.videos.unjudged import read_unjudged

_NOTHING = "–"


def write_videos_page(
    comparison: Comparison, page: Path, command: str = "", groups: Sequence[GroupFigure] = ()
) -> Path:
    """Write the page of a comparison of videos; raises InputError if `page` is no page of ours."""
    check_place(page)
    systems = {system.title: system.runs[0] for system in comparison.systems}
    sections = [
        Section("Metrics", compared(comparison), _traced(comparison)),
        Section("By group", _groups(groups)),
        Section("Protocol", _protocol(next(iter(systems.values())))),
        Section("Videos", "".join(map(_videos, systems, systems.values()))),
        Section("Not measured", _unjudged(systems)),
    ]
    called = f"<pre><code>{text(command)}</code></pre>" if command else ""
    title = " · ".join(systems)
    whole = render(title, f"{len(systems)} systems of videos", sections, summary=called)
    with replacing(page) as part:
        part.write_text(whole, encoding="utf-8")
    return page


def _groups(groups: Sequence[GroupFigure]) -> str:
    return table(GROUP_HEADS, group_rows(groups), {3, 4}) if groups else ""


def _traced(comparison: Comparison) -> str:
    places = (comparison.place(system.runs[0].place) for system in comparison.systems)
    return f"From {', '.join(f'<code>{text(place)}/metrics.json</code>' for place in places)}."


def _protocol(system: Finished) -> str:
    """List what the figures depend on; the hash is of all of it."""
    rows = [
        [key, show(value) if not isinstance(value, dict) else text(str(value))]
        for key, value in system.about["conditions"].items()
    ]
    same = "Tables of another hash cannot stand beside these figures."
    return f"<p>Hash <code>{text(system.about['protocol'])}</code>. {same}</p>" + table(
        ("value", ""), rows, set()
    )


def _videos(title: str, system: Finished) -> str:
    videos = read_json(system.place / "videos.json") or []
    rows = [
        [
            video["name"],
            ", ".join(f"{which} {codec}" for which, codec in video["codecs"].items()),
            str(len(video["clips"])),
            str(video["frames"]),
            _NOTHING if video["offset_seconds"] is None else f"{video['offset_seconds']:+.3f}",
            _NOTHING if video["correlation"] is None else f"{video['correlation']:.2f}",
            "; ".join(video["notes"]),
        ]
        for video in videos
    ]
    heads = (
        "video",
        "codec",
        "clips",
        "frames",
        "later than the real one, s",
        "correlation of the sounds",
        "notes",
    )
    return folded(f"{title}: {len(rows)} videos", table(heads, rows, {2, 3, 4, 5}), opened=len(rows) <= 20)


def _unjudged(systems: dict[str, Finished]) -> str:
    rows = [
        [title, one.clip, one.metric, one.reason, one.detail]
        for title, system in systems.items()
        for one in read_unjudged(system.place / "unjudged.csv")
    ]
    if not rows:
        return "<p>Every video was measured by every metric.</p>"
    listed = table(("system", "video or clip", "metric", "reason", "what was found"), rows, set())
    return Raw(folded(f"{len(rows)} without a figure", listed, opened=len(rows) <= 20))
