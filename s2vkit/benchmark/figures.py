"""Figures 3 and 4 of a comparison: systems side by side over time, and unseen speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from s2vkit.benchmark.comparison import Agreement, Comparison, Drawing
from s2vkit.benchmark.finished_runs import Finished
from s2vkit.benchmark.measure import opened
from s2vkit.benchmark.request import Asked
from s2vkit.benchmark.unseen_speakers import VOICES, Known, Voice, agreements, make_faces, voices_of
from s2vkit.data.store import ClipStore
from s2vkit.engine.run import Run
from s2vkit.files import remove
from s2vkit.interfaces.pixels import to_uint8
from s2vkit.registry import Registry
from s2vkit.report.figures import Block, draw_sheet

BLOCKS, TIMES = 3, 8  # clips of Figure 3, and moments of each


@dataclass(frozen=True)
class Shown:
    """The figures, the agreement of generated faces with the speakers, and notes."""

    drawings: tuple[Drawing, ...]
    unseen: tuple[Agreement, ...]
    notes: list[str]


@dataclass
class Moments:
    """The real and every system's generated frames of one clip, at the same moments."""

    name: str
    caption: str
    seconds: list[float]
    real: list[np.ndarray]
    generated: dict[str, list[np.ndarray]] = field(default_factory=dict)  # system -> pictures


@dataclass
class Faces:
    """What systems generated for unseen speakers."""

    voices: dict[str, list[Voice]] = field(default_factory=dict)  # system -> voices
    agreements: list[Agreement] = field(default_factory=list)
    seeing: list[str] = field(default_factory=list)  # systems that are shown a picture
    known: Known = field(default_factory=dict)  # of everybody


def draw_figures(
    comparison: Comparison,
    folder: Path,
    unseen: Sequence[str],
    console: Console,
    registry: Registry,
    asked: Asked,
) -> Shown:
    """Write figure3.png and, if there are unseen speakers, figure4.png."""
    seed = shared_seed(comparison)
    moments: dict[str, Moments] = {}
    faces = Faces()
    shown = {
        system.title: next((run for run in system.runs if run.seed == seed), system.runs[0])
        for system in comparison.systems
    }
    for title, finished in shown.items():
        with opened(finished.folder, console, registry, asked.sets, asked.device) as run:
            run.view.begin(f"drawing the figures: {title}")
            _follow(run, finished, title, moments)
            if run.graph.takes_reference_image:
                faces.seeing.append(title)
            else:
                _add_voices(run, title, faces, unseen, registry)
            run.view.end()
    for old in ("figure3.png", "figure4.png"):
        remove(folder / old)
    drawings = [_figure3(list(moments.values()), comparison, seed, folder)]
    notes = [_why_no_faces(faces)] if not any(faces.voices.values()) else []
    if not notes:
        drawings.append(_figure4(faces, folder))
    runs = tuple(finished.folder for finished in shown.values())
    drawings = [replace(one, runs=runs) for one in drawings]
    return Shown(tuple(drawings), tuple(faces.agreements), notes)


def shared_seed(comparison: Comparison) -> int:
    """Return the first seed that all systems have; the first of the first, if there is none."""
    shared = set.intersection(*(set(system.seeds) for system in comparison.systems))
    return min(shared) if shared else comparison.systems[0].seeds[0]


def _follow(run: Run, finished: Finished, title: str, moments: dict[str, Moments]) -> None:
    places = {clip.name: i for i, clip in enumerate(run.store.clips)}
    if not moments:
        measured = {clip for figure in finished.figures.values() for clip in figure.clips}
        shown = [i for i in run.store.split(finished.split) if run.store.clips[i].name in measured]
        for clip in spread(shown or run.store.split(finished.split), BLOCKS):
            moments[run.store.clips[clip].name] = _moments_of(run.store, clip)
    work = run.work()
    for name, moment in moments.items():
        if name in places:
            outcome = work.outcome(places[name])
            pictures = to_uint8(outcome.generated)
            fps = run.store.index.fps
            at = [min(round(s * fps), len(pictures) - 1) for s in moment.seconds]
            moment.generated[title] = [pictures[i] for i in at]


def spread(clips: Sequence[int], max_count: int) -> list[int]:
    """Pick at most so many of a list, evenly over its length."""
    count = min(max_count, len(clips))
    return [clips[(2 * k + 1) * len(clips) // (2 * count)] for k in range(count)]


def _moments_of(store: ClipStore, clip: int) -> Moments:
    record, fps = store.clips[clip], store.index.fps
    at = np.linspace(0, record.frames - 1, TIMES).round().astype(int)
    caption = ", ".join(f"{name} {value}" for name, value in record.labels.items())
    return Moments(record.name, caption, [float(i / fps) for i in at], list(store.frames(clip, at)))


def _add_voices(run: Run, title: str, faces: Faces, unseen: Sequence[str], registry: Registry) -> None:
    with voices_of(run, unseen, registry) as corpus:
        found = make_faces(run, corpus)
    faces.voices[title], faces.known = found, corpus.known
    faces.agreements += agreements(title, run.recipe.seed, found, corpus.known)


def _figure3(moments: Sequence[Moments], comparison: Comparison, seed: int, folder: Path) -> Drawing:
    blocks = [
        Block(
            f"{moment.name} ({moment.caption})",
            [("truth", moment.real), *moment.generated.items()],
            [f"{second:.2f} s" for second in moment.seconds],
        )
        for moment in moments
    ]
    title = f"Clips of the split {comparison.split}, the same moments of each (seed {seed})"
    draw_sheet(folder / "figure3.png", title, blocks)
    rows = ", ".join(["truth", *(system.title for system in comparison.systems)])
    shows = f"Figure 3: the same clips; rows: {rows}; columns: time; seed {seed}"
    return Drawing("figure3.png", shows, (), tuple(moment.name for moment in moments))


def _figure4(faces: Faces, folder: Path) -> Drawing:
    systems = list(faces.voices)
    first = faces.voices[systems[0]]
    blocks, clips = [], list[str]()
    for place in spread(range(len(first)), VOICES):
        voice = first[place]
        rows = [("truth" + _agreed(faces, voice, voice.like_real), voice.real)]
        for system in systems:
            drawn = faces.voices[system][place]
            rows.append((system + _agreed(faces, drawn, drawn.like_generated), drawn.generated))
        caption = ", ".join(f"{name} {value}" for name, value in voice.attributes.items())
        caption = f"voice {voice.name}: {caption}" if caption else f"voice {voice.name}"
        blocks.append(Block(caption, rows, voice.captions))
        clips += voice.clips
    draw_sheet(folder / "figure4.png", "Faces of unseen speakers", blocks)
    shown = ", ".join(systems)
    left = f"; left out, as they take a picture: {', '.join(faces.seeing)}" if faces.seeing else ""
    names = ", ".join(voice.name for voice in first)
    shows = f"Figure 4: faces of unseen speakers, generated by {shown}; voices: {names}{left}"
    return Drawing("figure4.png", shows, (), tuple(clips))


def _agreed(faces: Faces, voice: Voice, like: Sequence[str]) -> str:
    known = faces.known
    counts = [f"\n{name} {sum(voice.agree(name, like, known))}/{len(like)}" for name in voice.attributes]
    return "".join(counts) if like else ""


def _why_no_faces(faces: Faces) -> str:
    if not faces.voices:
        return "no figure4.png: every system is given a picture of the speaker"
    return (
        "no figure4.png: every speaker of the corpus is in training; `--unseen speakers=N` (or "
        "`unseen:` in a comparison) adds others"
    )
