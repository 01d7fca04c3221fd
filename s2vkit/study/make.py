"""Making a study: the same clips by each system, under blinded names."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from s2vkit import __version__
from s2vkit.engine.view import View
from s2vkit.errors import InputError
from s2vkit.files import atomic_folder, naming_full_disk, write_json
from s2vkit.media.video import VideoWriter
from s2vkit.plugins import registry as installed
from s2vkit.registry import Registry
from s2vkit.report.pictures import enlarge
from s2vkit.study.page import write_study_page
from s2vkit.study.plan import KEY, PAGE, SPOILED, TRUTH, Question, Study, plan_study
from s2vkit.study.systems import Pictures, RealClips, RunSystem, Speech, System, VideoFolder, open_systems

_HEIGHT = 256  # of the videos, about: small faces are enlarged by whole pixels
_LONG_AGO = 946684800  # 2000-01-01; a zip file knows no time before 1980
_BLOCK = 8  # coarse blocks across a spoiled clip


def make_study(
    runs: Sequence[Path],
    folder: Path,
    *,
    clips: int,
    questions: Sequence[Question],
    seed: int,
    checks: int,
    truth: bool,
    view: View,
    videos: Sequence[Path] = (),
    real: Path | None = None,
    device: str = "auto",
    force: bool = False,
    registry: Registry | None = None,
) -> Study:
    """Write a study into a folder: `page/` for raters, and the key beside it.

    `videos` are folders of other generators' videos, named as the clips. `truth` lets the real
    clips take part as one more system; `checks` pairs set a real clip beside a spoiled one. They
    are the first run's, or the videos in `real`. The folder appears whole or not at all. Raises
    InputError if the systems have no clip in common or the folder is taken, RunFolderError of
    the runs.
    """
    _check([*runs, *videos], folder, truth, force)
    _check_real(runs, real, truth or checks > 0)
    systems = open_systems(runs, device, view, registry or installed(), videos)
    true = _real(systems, real)
    chosen = pick([*systems, *([true] if true else [])], clips, seed)
    names = [*(s.name for s in systems), *([TRUTH] if truth else [])]
    spoiled = chosen[: min(checks, len(chosen))]
    study = plan_study(names, chosen, questions, seed=seed, checks=spoiled)
    with naming_full_disk(folder.parent), atomic_folder(folder) as part:
        _write_clips(part / PAGE / "clips", study, systems, true, view)
        write_study_page(part / PAGE, study.page_data())
        about = {
            "s2vkit": __version__,
            "seed": seed,
            "runs": {s.name: str(s.place.resolve()) for s in systems},
        }
        write_json(part / KEY, study.key_data(about))
    return study


def _check(places: Sequence[Path], folder: Path, truth: bool, force: bool) -> None:
    if len(places) + truth < 2:
        raise InputError(
            f"a study compares at least two systems, and {len(places) or 'no'} run or folder is named",
            hint="name another run or a folder of videos, or compare with the real clips by --truth",
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file", hint="name a folder for the study")
    exists = folder.is_dir() and any(folder.iterdir())
    if exists and not (folder / KEY).is_file():
        raise InputError(f"{folder}: holds files that are no study", hint="name another folder")
    if exists and not force:
        raise InputError(
            f"{folder}: contains a study already, whose votes need its key",
            hint="name another folder, or give --force to replace it",
        )


def _check_real(runs: Sequence[Path], real: Path | None, wanted: bool) -> None:
    if real is not None and runs:
        raise InputError(
            "--real names real videos, but a run's corpus has the real clips already", hint="leave it out"
        )
    if wanted and real is None and not runs:
        raise InputError(
            "--truth and --checks show real clips, which folders of videos do not bring",
            hint="name the real videos by --real DIR, or give --checks 0",
        )


def _real(systems: Sequence[System], real: Path | None) -> System | None:
    """Return the real clips, where there are any."""
    if real is not None:
        return VideoFolder(TRUTH, real)
    first = systems[0]
    return RealClips(first, TRUTH) if isinstance(first, RunSystem) else None


def pick(systems: Sequence[System], max_count: int, seed: int) -> list[str]:
    """Pick clips that all systems have, of as many speakers and emotions as possible.

    Raises InputError if they have none in common, or one name stands for two recordings.
    """
    first = systems[0]
    left = [n for n in first.held_out if all(n in other.held_out for other in systems)]
    if not left:
        raise InputError(
            "the systems have no clip in common: " + ", ".join(s.name for s in systems),
            hint="compare runs of one corpus and one split; a folder's videos are named as the clips "
            f"('{next(iter(first.held_out), '')}' is the first of {first.name})",
        )
    random.Random(f"{seed} clips").shuffle(left)
    chosen: list[str] = []
    met: Counter[tuple[str, str]] = Counter()
    while left and len(chosen) < max_count:
        next_one = min(left, key=lambda clip: sum(met[label] for label in first.labels(clip).items()))
        left.remove(next_one)
        chosen.append(next_one)
        met.update(first.labels(next_one).items())
    for clip in chosen:
        _check_same(clip, [system for system in systems if isinstance(system, RunSystem)])
    return chosen


def _check_same(clip: str, runs: Sequence[RunSystem]) -> None:
    """Check that a name stands for one recording in all corpora."""
    for run in runs[1:]:
        if not np.array_equal(runs[0].speech(clip).samples, run.speech(clip).samples):
            raise InputError(
                f"clip '{clip}' is another recording in {run.name} than in {runs[0].name}",
                hint="compare runs of one corpus",
            )


def _write_clips(
    folder: Path, study: Study, systems: Sequence[System], real: System | None, view: View
) -> None:
    by_name = {system.name: system for system in systems}
    if real is not None:
        by_name |= {TRUTH: real, SPOILED: real}
    view.begin("drawing clips")
    for done, shown in enumerate(study.shown.values(), 1):
        pictures = by_name[shown.system].pictures(shown.clip)
        if shown.system == SPOILED:
            pictures = _spoiled(pictures)
        path = folder / f"{shown.id}.mp4"
        _write(path, pictures, (real or systems[0]).speech(shown.clip))
        os.utime(path, (_LONG_AGO, _LONG_AGO))  # else the order of writing would tell whose it is
        view.advance(done, len(study.shown))
    view.end(f"{len(study.shown)} clips")


def _spoiled(pictures: Pictures) -> Pictures:
    """Return the real frames backwards, in coarse blocks: no attentive rater prefers that."""
    frames = pictures.frames[::-1]
    block = max(2, frames.shape[1] // _BLOCK)
    coarse = frames[:, block // 2 :: block, block // 2 :: block]
    return pictures._replace(frames=enlarge(coarse, block)[:, : frames.shape[1], : frames.shape[2]])


def _write(path: Path, pictures: Pictures, speech: Speech) -> None:
    """Write a video with the speech, as long as the shorter of the two."""
    frames = pictures.frames[: max(1, round(len(speech.samples) / speech.rate * pictures.fps))]
    samples = speech.samples[: round(len(frames) / pictures.fps * speech.rate)]
    height, width = frames.shape[1:3]
    scale = max(1, round(_HEIGHT / height))
    if height > 1.5 * _HEIGHT:  # large videos would not be blinded beside small ones
        size = (2 * round(width * _HEIGHT / height / 2), _HEIGHT)
    else:
        size = (width * scale, height * scale)
    with VideoWriter(path, size, pictures.fps, samples, speech.rate) as video:
        for frame in frames:
            shown = enlarge(frame, scale)
            if shown.shape[1::-1] != size:
                shown = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))
            video.write(shown[None])


def size_of(folder: Path) -> int:
    """Count the bytes of the page's folder."""
    return sum(p.stat().st_size for p in (folder / PAGE).rglob("*") if p.is_file())
