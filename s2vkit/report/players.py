"""Clips to play on a page: embedded up to a budget of bytes, else played from files beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from s2vkit.errors import S2vkitError
from s2vkit.media import iter_frames
from s2vkit.report.facts import RunFacts
from s2vkit.report.markup import Raw, data_uri, size

MAX_EMBEDDED = 20_000_000  # bytes of clips that a page holds itself
_POSTER = 0.4  # seconds into the clip: faces that just begin to speak


class ClipBudget:
    """How many bytes of clips a page may still embed, and how many clips were embedded."""

    def __init__(self, max_bytes: int = MAX_EMBEDDED) -> None:
        self.max_bytes, self.left = max_bytes, max_bytes
        self.within, self.beside = 0, 0

    def source(self, facts: RunFacts, path: Path) -> str:
        """Return a clip's address: its content while the budget lasts, else its relative path."""
        length = path.stat().st_size
        if length > self.left:
            self.beside += 1
            return facts.address(path)
        self.left, self.within = self.left - length, self.within + 1
        return data_uri(path.read_bytes(), ".mp4")

    def note(self) -> Raw:
        """Describe which clips are embedded in the page and which are played from the run folder."""
        if not self.within + self.beside:
            return Raw("")
        embedded = f"{self.within} clips ({size(self.max_bytes - self.left)}) are embedded in this page"
        if not self.beside:
            return Raw(f"{embedded}; it needs no file beside it to play them.")
        return Raw(
            f"{embedded}. A page holds at most {size(self.max_bytes)} of clips: {self.beside} more "
            "are played from the run folder, and only while this page lies where it was written."
        )


def player(facts: RunFacts, path: Path, budget: ClipBudget, caption: str, of: str = "") -> str:
    """Show a clip with its picture before it plays; `caption` is HTML, `of` names the run."""
    poster = _poster(path)
    shown = f' poster="{poster}"' if poster else ""
    name = escape(f"{of} {path.stem}" if of else path.stem)
    return (
        f'<figure id="clip-{name}"><video controls playsinline preload="metadata"{shown} '
        f'aria-label="{name}: the real clip left, the generated one right" '
        f'src="{budget.source(facts, path)}"></video><figcaption>{caption}</figcaption></figure>'
    )


def _poster(path: Path) -> str:
    """Take a frame out of a clip as a small JPEG; empty if it cannot be read."""
    try:
        frames = iter_frames(path)
        frame = next((picture for time, picture in frames if time >= _POSTER), None)
    except (S2vkitError, OSError):
        return ""
    if frame is None:
        return ""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=80)
    return data_uri(buffer.getvalue(), ".jpg")


def clips_section(facts: RunFacts, budget: ClipBudget) -> str:
    """Show the clips of a run: the real beside the generated one, with labels and figures."""
    if not facts.videos:
        return ""
    figures = {row.get("clip", ""): row for row in facts.clips}
    shown = [
        player(facts, path, budget, caption(facts, path, figures.get(path.stem, {}))) for path in facts.videos
    ]
    return (
        '<p class="soft">Held-out clips, left the real one, right the one generated '
        f'from its inputs (see the graph). {budget.note()}</p><div class="grid">'
        f"{''.join(shown)}</div>"
    )


def caption(facts: RunFacts, path: Path, row: Mapping[str, str]) -> str:
    """Name a clip and its labels, and give its own figures if they are known."""
    clip_facts = facts.clip_facts.get(path.stem)
    labels = clip_facts.get("labels") if isinstance(clip_facts, Mapping) else None
    known: dict[str, Any] = dict(labels) if isinstance(labels, Mapping) else {}
    if isinstance(clip_facts, Mapping) and clip_facts.get("split"):
        known["split"] = clip_facts["split"]
    figures = {k: v for k, v in row.items() if k in facts.metrics and v}
    known |= {
        k.removeprefix("label."): v for k, v in row.items() if k not in facts.metrics and k != "clip" and v
    }
    parts = [f"<b>{facts.link(path, path.stem)}</b>", _pairs(known)]
    if figures:
        parts.append(_pairs({k: _short(v) for k, v in figures.items()}))
    return "<br>".join(part for part in parts if part)


def _pairs(known: Mapping[str, Any]) -> str:
    return ", ".join(f"{escape(str(k))} {escape(str(v))}" for k, v in known.items() if str(v))


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value
