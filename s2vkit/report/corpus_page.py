"""The page of a prepared corpus: its faces, some clips with their waveforms, its counts."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from s2vkit.data.facts import spread
from s2vkit.data.shards.coding import to_jpeg
from s2vkit.data.store import ClipStore
from s2vkit.files import replacing
from s2vkit.media import VideoWriter
from s2vkit.report.markup import table
from s2vkit.report.pictures import contact_sheet
from s2vkit.report.shell import Section, render

_TIMES = 5  # pictures of a clip in the sheet
_SECONDS = 6.0  # of a clip that is played
_WIDTH, _HEIGHT = 640, 80  # of a waveform


def write_corpus_page(store: ClipStore, facts: dict[str, Any], out: Path, *, faces: int, clips: int) -> Path:
    """Write inspect.html, all in one file, and faces.png into a folder; give the page's path.

    `facts` are those of `s2vkit.data.facts.overview`, with "problems".
    """
    sheet = draw_faces(store, spread(store, faces), out / "faces.png")
    sections = [
        ("Problems", _problems(facts["problems"])),
        ("Faces", _picture(sheet, "five moments of each clip")),
        ("Clips", "\n".join(_clip(store, i) for i in spread(store, clips)) if clips else ""),
        *[(name, _counts(facts[key])) for key, name in _labels(facts)],
        ("What became of every file", _outcomes(facts["outcomes"])),
    ]
    subtitle = (
        f"{facts['clips']:,} clips, {facts['hours']:.2f} h, {facts['size']} x {facts['size']} "
        f"at {facts['fps']:g} frames/s, {facts['sample_rate']:,} Hz"
    )
    shown = [Section(name, inside) for name, inside in sections]
    page = render(store.folder.resolve().name, subtitle, shown)
    with replacing(out / "inspect.html") as part:
        part.write_text(page, encoding="utf-8")
    return out / "inspect.html"


def draw_faces(store: ClipStore, chosen: Sequence[int], path: Path) -> Path:
    """Draw a contact sheet: a row a clip, five of its frames, evenly over its length."""
    rows, labels = [], []
    for i in chosen:
        record = store.clips[i]
        at = np.linspace(0, record.frames - 1, _TIMES).round().astype(int)
        rows.append(list(store.frames(i, at)))
        speaker = record.labels.get("identity")
        labels.append(f"{record.name} ({speaker})" if speaker else record.name)
    return contact_sheet(rows, labels, path)


def draw_waveform(speech: np.ndarray) -> np.ndarray:
    """Draw speech, float32 (S,) in [-1, 1], as uint8 (80, 640, 3): from minimum to maximum."""
    picture = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    edges = np.linspace(0, len(speech), _WIDTH + 1).astype(int)
    middle, scale = _HEIGHT // 2, _HEIGHT / 2 - 1
    for x, (start, end) in enumerate(pairwise(edges.tolist())):
        block = speech[start : max(end, start + 1)]
        if len(block):
            top, low = middle - block.max() * scale, middle - block.min() * scale
            picture[int(top) : int(low) + 1, x] = (40, 90, 160)
    return picture


def _labels(facts: dict[str, Any]) -> list[tuple[str, str]]:
    names = {"identity": "Speakers", "emotion": "Emotions"}
    split = [("splits", "Splits")] if facts["splits"] else []  # footage is split by each run
    return [*split, *((k, names.get(k, k.capitalize())) for k in facts["labels"])]


def _counts(counts: dict[str, dict[str, Any]]) -> str:
    splits = ("train", "val", "test") if any(c["by_split"] for c in counts.values()) else ()
    rows = [
        (
            value,
            f"{c['clips']:,}",
            f"{c['seconds'] / 60:.1f}",
            *(str(c["by_split"].get(s, 0)) for s in splits),
        )
        for value, c in counts.items()
    ]
    html = table(("", "clips", "minutes", *splits), rows, {1, 2, *range(3, 3 + len(splits))})
    if len(rows) <= 12:
        return html
    return f"<details><summary>{len(rows):,} of them</summary>{html}</details>"


def _outcomes(outcomes: list[dict[str, Any]]) -> str:
    rows = [(str(o["outcome"]), f"{o['files']:,}") for o in outcomes]
    return table(("outcome", "files"), rows, {1}) if rows else ""


def _problems(problems: list[str]) -> str:
    if not problems:
        return "<p>None was found.</p>"
    return "<ul>" + "".join(f"<li>{escape(problem)}</li>" for problem in problems) + "</ul>"


def _clip(store: ClipStore, clip: int) -> str:
    record, index = store.clips[clip], store.index
    frames = store.frames(clip, slice(0, round(_SECONDS * index.fps)))
    speech = store.speech(clip)[: round(_SECONDS * index.sample_rate)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with VideoWriter(path, (index.size,) * 2, index.fps, speech, index.sample_rate) as out:
            out.write(frames)
        data = _base64(path.read_bytes())
    wave = io.BytesIO()
    Image.fromarray(draw_waveform(speech)).save(wave, "PNG")
    caption = ", ".join(
        [*[record.split] * bool(record.split), *(f"{k} {v}" for k, v in record.labels.items())]
    )
    return (
        f'<figure><video controls preload="metadata" style="max-width: {2 * index.size}px" '
        f'poster="data:image/jpeg;base64,{_base64(to_jpeg(frames[0], 90))}" '
        f'src="data:video/mp4;base64,{data}"></video><br>'
        f'<img alt="waveform" src="data:image/png;base64,{_base64(wave.getvalue())}">'
        f"<figcaption>{escape(record.name)}: {escape(caption)}</figcaption></figure>"
    )


def _picture(path: Path, caption: str) -> str:
    data = _base64(path.read_bytes())
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
