"""Several folders of videos side by side, each a system: measured, tabled and on one page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from s2vkit.benchmark.comparison import Comparison, compare
from s2vkit.benchmark.finished_runs import Finished, read_figures, results_of
from s2vkit.benchmark.grouping import System
from s2vkit.benchmark.groups import figures_by
from s2vkit.benchmark.provenance import write_all
from s2vkit.device import keep_freed_memory
from s2vkit.engine.stop import stop_flag
from s2vkit.engine.view import View
from s2vkit.errors import InputError, RunFolderError
from s2vkit.files import naming_full_disk, read_json, recover_folder
from s2vkit.media.folders import SOUNDS, VIDEOS, media_of
from s2vkit.recipe.convert import to_plain
from s2vkit.registry import Registry
from s2vkit.videos.build import build_detector, build_landmarks, metric_makers, weights_of
from s2vkit.videos.measure import Given, Measuring, measure_videos
from s2vkit.videos.networks import NONE, networks_of, with_sync_evaluator
from s2vkit.videos.offset import ALIKE
from s2vkit.videos.outcomes import Preparer
from s2vkit.videos.page import write_videos_page
from s2vkit.videos.pairs import read_labels
from s2vkit.videos.protocol import Protocol, check_same, hash_of
from s2vkit.videos.unjudged import counted, read_unjudged

STEM, TITLE = "table", "Videos"
SYSTEM = "a folder of videos"


@dataclass(frozen=True)
class AskedVideos:
    """Which folders are evaluated, and beside what."""

    systems: Sequence[Path]
    protocol: Protocol
    truth: Path | None = None
    audio: Path | None = None
    speakers: Path | None = None
    networks: Path | None = None  # a finished run whose evaluators measure
    again: bool = False
    command: str = ""
    by: Sequence[str] = ()  # labels by whose values every figure is shown too


def evaluate_videos(asked: AskedVideos, output: Path, console: Console, registry: Registry) -> Comparison:
    """Measure every folder of videos, or read what was measured, and set them side by side.

    Writes OUTPUT/systems/NAME, the table in four formats and `report.html`. Raises InputError if
    nothing can be measured, RunFolderError if systems were not measured by one protocol.
    """
    if output.exists() and not output.is_dir():
        raise RunFolderError(f"{output}: is a file, not a folder", hint="name another by -o")
    places = _places(asked.systems, output)
    with naming_full_disk(output), stop_flag() as stopped, View(console) as view:
        todo = [folder for folder, place in places.items() if not _is_measured(folder, place, asked)]
        if todo:
            keep_freed_memory()
            parts = _parts(asked, view, stopped, registry)
            given = Given(asked.truth, asked.audio, read_labels(asked.speakers))
            for folder in todo:
                place = places[folder]
                place.parent.mkdir(parents=True, exist_ok=True)
                measure_videos(folder, given, parts, place, _request(folder, asked))
    systems = [read_system(places[folder]) for folder in asked.systems]
    comparison = compare_videos(systems, registry, output)
    write_all(comparison, output, STEM, asked.command)
    groups = [figure for label in asked.by for figure in figures_by(comparison, label)]
    write_videos_page(comparison, output / "report.html", asked.command, groups)
    return comparison


def _places(folders: Sequence[Path], output: Path) -> dict[Path, Path]:
    """Return where the figures of each folder lie: in itself, if it was measured already."""
    found: dict[Path, Path] = {}
    for folder in folders:
        own = (folder / "about.json").is_file() and (folder / "metrics.json").is_file()
        place = folder if own else output / "systems" / folder.resolve().name
        if place in found.values():
            raise InputError(f"{folder}: two systems bear the name '{place.name}'", hint="rename one folder")
        found[folder] = place
    return found


def _is_measured(folder: Path, place: Path, asked: AskedVideos) -> bool:
    if place == folder:
        return True
    if asked.again or not recover_folder(place):
        return False
    about = read_json(place / "about.json")
    return isinstance(about, dict) and about.get("request") == _request(folder, asked)


def _request(folder: Path, asked: AskedVideos) -> str:
    """Identify what is measured and how: the options, and every file by name, size and time."""
    media = [(folder, VIDEOS), (asked.truth, VIDEOS), (asked.audio, SOUNDS)]
    files = [path for place, suffixes in media if place for path in media_of(place, suffixes).values()]
    files += [asked.speakers] if asked.speakers else []
    stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    networks = None if asked.networks is None else results_of(asked.networks)
    text = json.dumps([to_plain(asked.protocol), stamps, networks], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _parts(asked: AskedVideos, view: View, stopped: Any, registry: Registry) -> Measuring:
    networks = networks_of(asked.networks, registry) if asked.networks else NONE
    if networks.size not in (0, asked.protocol.size):
        raise InputError(
            f"{asked.networks}: its networks take faces of {networks.size} px, not of {asked.protocol.size}",
            hint=f"--set size={networks.size}",
        )
    sync, size = asked.protocol.sync_evaluator, asked.protocol.size
    networks = with_sync_evaluator(networks, sync, size, registry)
    makers, needing = metric_makers(asked.protocol, registry, asked.truth is not None, networks.lacks)
    if needing:
        view.warn(f"without real videos (--truth) there is nothing to compare with: no {', '.join(needing)}")
    detector = build_detector(asked.protocol, registry)
    finder = build_landmarks(asked.protocol, registry)
    found = {"face_detector": weights_of(detector), **networks.weights()}
    if finder is not None:  # one that the protocol names measures in place of a run's
        found["landmarks"] = weights_of(finder)
    weights = {name: digest for name, digest in found.items() if digest}
    preparer = Preparer(asked.protocol, detector, networks.landmarks if finder is None else finder, networks)
    slots = asked.protocol.metrics
    apart = frozenset(name for name in makers if not registry.get("metric", slots[name].use).wants)
    return Measuring(asked.protocol, preparer, makers, weights, apart, asked.command, view, stopped)


def read_system(place: Path) -> Finished:
    """Read a folder that `measure_videos` wrote. Raises RunFolderError if it is damaged."""
    about = read_json(place / "about.json")
    if not isinstance(about, dict) or not {"conditions", "metrics", "protocol"} <= set(about):
        raise RunFolderError(f"{place}: is no measured system", hint="evaluate its videos with --again")
    recipe = {"seed": 0, "data": about["conditions"], "stages": {}}
    figures = read_figures(place)
    return Finished(place, recipe, "", "", None, about["metrics"], figures, place, about, {})


def compare_videos(systems: Sequence[Finished], registry: Registry, base: Path | None = None) -> Comparison:
    """Set measured systems side by side. Raises RunFolderError if their protocols differ."""
    names = [system.place.resolve().name for system in systems]
    for system in systems:
        if hash_of(system.about["conditions"]) != system.about["protocol"]:
            raise RunFolderError(f"{system.place}: about.json: its protocol is not that of its conditions")
    check_same({name: system.about["conditions"] for name, system in zip(names, systems, strict=True)})
    found = [System(name, (system,)) for name, system in zip(names, systems, strict=True)]
    comparison = compare(found, registry, TITLE, base, system=SYSTEM)
    notes = [f"protocol {systems[0].about['protocol']}: {_plainly(systems[0].about['conditions'])}"]
    for name, system in zip(names, systems, strict=True):
        notes += _notes_of(name, system)
    return replace(comparison, notes=(*notes, *comparison.notes))


def _plainly(conditions: Mapping[str, Any]) -> str:
    """Describe a protocol in a line."""
    version, program = conditions["version"]
    codec = "H.264 encoded anew" if conditions["codec"] == "h264" else _codecs(conditions["found"])
    crop = conditions["face_detector"] or {"use": "the installed detector with landmarks"}
    return (
        f"version {version} of s2vkit {program}; codec {codec}; {conditions['fps']:g} frames a second; "
        f"crop by {crop['use']}, margin {conditions['margin']:g}, {conditions['size']} px; weights "
        + (", ".join(f"{name} {digest}" for name, digest in conditions["weights"].items()) or "none")
    )


def _codecs(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{which} {'+'.join(names)}" for which, names in found.get("codec", {}).items())


def _notes_of(name: str, system: Finished) -> list[str]:
    missing = counted(read_unjudged(system.place / "unjudged.csv"))
    videos = read_json(system.place / "videos.json") or []
    moved = {v["name"]: v["offset_seconds"] for v in videos if v.get("offset_seconds")}
    notes = [f"{name}: {missing}: see unjudged.csv"] if missing else []
    if moved:
        listing = ", ".join(f"{video} {seconds:+.3f} s" for video, seconds in list(moved.items())[:5])
        more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
        notes.append(f"{name}: aligned by the sound, later than the real video: {listing}{more}")
    if differing := [
        v["name"] for v in videos if v.get("correlation") is not None and v["correlation"] < ALIKE
    ]:
        notes.append(f"{name}: {len(differing)} videos whose sound is not the real one's, not aligned")
    return notes
