"""What a finished run shows: pictures over time, made beside true, with sound; and its curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from s2vkit.data.store import ClipStore
from s2vkit.engine.workspace import RunWork
from s2vkit.files import write_json
from s2vkit.interfaces.pixels import to_uint8
from s2vkit.media.video import Marking
from s2vkit.rendering.grids import draw_grids
from s2vkit.report.curves import draw_curves
from s2vkit.report.page import write_page
from s2vkit.report.pictures import contact_sheet, write_comparison

CLIPS = 8  # shown as mp4
TIMES = 8  # pictures of a clip in the sheet


def show_run(work: RunWork, *, clips: bool = True, marking: Marking | None = None) -> None:
    """Write curves/ and report.html of a run and, where it learnt to draw, videos/ and samples/."""
    if clips:
        show_clips(work, marking)
    draw_all_curves(work.folder)
    write_page(work.folder)


def show_clips(work: RunWork, marking: Marking | None = None) -> None:
    """Write videos/ and samples/: held-out clips made beside true; `marking` marks the videos."""
    rows, labels, clip_facts = [], [], dict[str, Any]()
    sources = "speech and an image" if work.graph.takes_reference_image else "speech"
    chosen = pick_clips(work.store)
    for done, clip in enumerate(chosen, 1):
        outcome = work.outcome(clip)
        generated, real = to_uint8(outcome.generated), to_uint8(outcome.real)
        speech, rate = work.store.speech(clip), work.store.index.sample_rate
        clip_facts[outcome.name] = {"labels": outcome.labels, "split": work.store.clips[clip].split}
        path = work.folder / "videos" / f"{outcome.name}.mp4"
        write_comparison(path, generated, real, work.store.index.fps, speech, rate, marking=marking)
        at = np.linspace(0, len(generated) - 1, TIMES).round().astype(int)
        rows += [[real[i] for i in at], [generated[i] for i in at]]
        labels += [f"{outcome.name} real", f"generated from {sources}"]
        work.progress(done, len(chosen))
    if rows:
        write_json(work.folder / "videos" / "clips.json", clip_facts)
        contact_sheet(rows, labels, work.folder / "samples" / "held_out.png", scale=1)
    draw_grids(work.pipeline, work.store, work.folder / "samples", work.graph.teachers.get("identity"))


def draw_all_curves(folder: Path) -> None:
    """Draw the figures of every stage that left a log."""
    for log in sorted(folder.glob("stages/*/log.jsonl")):
        draw_curves(log, folder / "curves" / f"{log.parent.name}.png", log.parent.name)


def pick_clips(store: ClipStore) -> list[int]:
    """Pick clips of as many speakers and emotions as there is room for, held out if there are."""
    by_split = {
        split: [i for i, clip in enumerate(store.clips) if clip.split == split]
        for split in ("test", "val", "train")
    }
    clips = next((found for found in by_split.values() if found), [])
    speakers = sorted({store.clips[i].labels.get("identity", "") for i in clips})
    chosen = []
    for turn, speaker in enumerate(speakers[:CLIPS]):
        own = [i for i in clips if store.clips[i].labels.get("identity", "") == speaker]
        chosen.append(own[turn * len(own) // max(1, min(CLIPS, len(speakers)))])
    return chosen
