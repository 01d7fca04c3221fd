"""Footage as the dataset of a recipe: the prepared corpus if it is there, else what it will be."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from s2vkit.data.arrays import flush, new_array
from s2vkit.data.cache_entries import lock_to_make
from s2vkit.data.parts import divide, names_of_parts
from s2vkit.data.preparation.check import SPLITS
from s2vkit.data.preparation.finish import about, is_finished, read_sources, source_of
from s2vkit.data.preparation.footage import prepare_footage
from s2vkit.data.preparation.listing import FORMAT, Listing, labels_of
from s2vkit.data.preparation.ranks import ALONE, Rank
from s2vkit.data.shards.shard_store import ShardStore
from s2vkit.data.store import ClipStore, Index, load_index
from s2vkit.errors import InputError, PluginError
from s2vkit.files import atomic_folder, recover_folder, write_json
from s2vkit.footage_options import FootageOptions
from s2vkit.interfaces.dataset import ClipFiles, Dataset, Footage, RawClip, Source
from s2vkit.interfaces.face_detector import FaceDetector
from s2vkit.options import Slot

Progress = Callable[[int, int], None]


@dataclass
class FootageCorpus(Dataset):
    """A dataset whose clips are extracted from footage.

    Raises InputError if the corpus is neither prepared nor its root there.
    """

    name: str
    options: FootageOptions
    footage: Footage
    seed: int
    detector: Slot
    make_detector: Callable[[], FaceDetector]

    def __post_init__(self) -> None:
        self.size, self.fps = self.options.size, self.options.fps
        self.sample_rate = self.options.sample_rate

    @property
    def folder(self) -> Path:
        """Where the prepared corpus lies, or will."""
        return Path(self.options.corpus)

    @cached_property
    def ready(self) -> bool:
        """Whether it is prepared; looked at once."""
        return is_finished(self.folder)

    @cached_property
    def listing(self) -> Listing:
        """The sources, and how they are cut."""
        return Listing(
            self.name,
            self.options,
            self.seed,
            self.footage.sources(),
            self.make_detector,
            self.detector.dump(),
        )

    @cached_property
    def index(self) -> Index:
        """The index of the prepared corpus, labelled and split by this run's options and seed."""
        self._check()
        stored = load_index(self.folder)
        sources = {source.name: source for source in self.footage.relabel(read_sources(self.folder))}
        _check_labelled(self.name, sources)
        found = [sources[source_of(clip.name, sources)] for clip in stored.clips]
        records = [
            part
            for clip, source in zip(stored.clips, found, strict=True)
            for part in divide(replace(clip, labels=dict(source.labels), split=source.split), source, stored)
        ]
        divided = any(source.parts for source in found)
        content = _hash([self.contents, *map(asdict, records)]) if divided else self.contents
        return replace(stored, labels=labels_of(records), clips=records, content=content)

    @property
    def contents(self) -> str:
        """What tells the clips of the prepared corpus from every other's, however they are split."""
        return str((about(self.folder) or {}).get("identity", "")) if self.ready else ""

    @cached_property
    def identity(self) -> str:
        """What tells the corpus as this run sees it from every other: its clips, labels and splits."""
        if not self.ready:
            return ""
        labelled = [[clip.name, clip.labels, clip.split] for clip in self.index.clips]
        return _hash([self.index.content, labelled])

    @cached_property
    def labels(self) -> dict[str, tuple[str, ...]]:  # type: ignore[override] # follows the index
        """Every label's values; none for the speaker if no speaker is known."""
        known = self.index.labels if self.ready else self.listing.labels()
        return {"identity": (), **known}

    def clips(self) -> list[ClipFiles]:
        """List the clips; before they are cut, one for each source."""
        if self.ready:
            return [ClipFiles(c.name, c.labels, c.split) for c in self.index.clips]
        return [
            ClipFiles(name, s.labels, split)
            for s in self.listing.sources
            for name, split in names_of_parts(s)
        ]

    def load(self, index: int) -> RawClip:
        """Load a clip of the prepared corpus."""
        store = ShardStore(self.folder, self.index)
        return RawClip(store.frames(index), store.speech(index))

    def prepare(
        self, *, workers: int, progress: Progress, rank: Rank = ALONE, max_rejected: float = 0.5
    ) -> bool:
        """Cut this rank's share; see `prepare_footage`. Gives whether the corpus is whole.

        Raises InputError if it is prepared with other settings.
        """
        if is_finished(self.folder):
            self._check()
            return True
        if self.options.root is None:
            raise InputError(
                f"{self.folder}: no prepared corpus, and no `root` to prepare it from",
                hint="set `data.root` to the folder of the corpus",
            )
        whole = prepare_footage(
            self.listing,
            self.folder,
            workers=workers,
            progress=progress,
            rank=rank,
            max_rejected=max_rejected,
        )
        self._look_again()
        return whole

    def await_ready(self, seconds: float = 90.0) -> None:
        """Look again at a folder that another process has prepared; a network's may show that late.

        Raises InputError if it stays unprepared.
        """
        until = time.monotonic() + seconds
        self._look_again()
        while not self.ready:
            if time.monotonic() > until:
                raise InputError(
                    f"{self.folder}: another process has prepared the corpus, but it is not seen here",
                    hint="put `data.corpus` where all machines see the same folder, and run it again",
                )
            time.sleep(0.5)
            self._look_again()

    def _look_again(self) -> None:
        for known in ("ready", "index", "identity", "labels"):
            self.__dict__.pop(known, None)

    def unknown_videos(self) -> int:
        """Count the videos of the root that the prepared corpus was not made of."""
        if self.options.root is None or not Path(self.options.root).is_dir():
            return 0
        return len(self.listing.sources) - int((about(self.folder) or {}).get("sources", 0))

    def _check(self) -> None:
        """Check that the prepared corpus is what the options say."""
        stored = about(self.folder) or {}
        found = stored.get("format")
        if found != FORMAT:
            raise InputError(
                f"{self.folder}: a corpus of another format ({found}, this one reads {FORMAT})",
                hint="prepare it again, into another folder",
            )
        listing = Listing(self.name, self.options, self.seed, [], self.make_detector, self.detector.dump())
        wanted = {"dataset": self.name, "settings": listing.settings}
        for what, mine in wanted.items():
            if stored.get(what) != mine:
                raise InputError(
                    f"{self.folder}: prepared otherwise: {_difference(what, stored.get(what), mine)}",
                    hint="change the options back, name another `corpus`, or delete the folder",
                )

    @property
    def decoded_bytes(self) -> int:
        """The bytes that all clips of the prepared corpus take when they are decoded."""
        clips = self.index.clips
        frames, samples = (sum(getattr(c, what) for c in clips) for what in ("frames", "samples"))
        return int(frames * self.size**2 * 3 + samples * 4)

    def open(self, cache: Path, progress: Progress) -> ClipStore:
        """Open the clips: decoded and memory-mapped in `cache` where they fit, else the shards."""
        if self.decoded_bytes > self.options.crop_cache_gb * 1e9:
            return ShardStore(self.folder, self.index)
        store = ShardStore(self.folder)
        with lock_to_make(cache):
            if not recover_folder(cache):
                with atomic_folder(cache) as part:
                    unpack(store, part, progress)
        return ClipStore(cache, self.index)


def unpack(store: ClipStore, out: Path, progress: Progress) -> None:
    """Decode every clip into the flat arrays of a ClipStore."""
    size = store.index.size
    frames = sum(clip.frames for clip in store.clips)
    samples = sum(clip.samples for clip in store.clips)
    all_frames = new_array(out / "frames.npy", (frames, size, size, 3), np.uint8)
    all_speech = new_array(out / "speech.npy", (samples,))
    for i, clip in enumerate(store.clips):
        all_frames[clip.frame : clip.frame + clip.frames] = store.frames(i)
        all_speech[clip.sample : clip.sample + clip.samples] = store.speech(i)
        progress(i + 1, len(store.clips))
    flush(all_frames, all_speech)
    np.savez(out / "truth.npz")
    write_json(out / "index.json", store.index.dump())


def _hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _check_labelled(name: str, sources: Mapping[str, Source]) -> None:
    wrong = [source for source in sources.values() if {source.split, *source.parts} - set(SPLITS)]
    if wrong:
        raise PluginError(
            f"dataset '{name}': '{wrong[0].name}' is in split '{wrong[0].split}', "
            f"not one of {', '.join(SPLITS)} ({len(wrong)} such problems)",
            hint="this is a bug of the dataset's plugin",
        )


def _difference(what: str, found: Any, mine: Any) -> str:
    if not (isinstance(found, dict) and isinstance(mine, dict)):
        return f"{what} is {found}, not {mine}"
    apart = [k for k in mine if found.get(k) != mine[k]]
    return ", ".join(f"{k} is {found.get(k)}, not {mine[k]}" for k in apart)
