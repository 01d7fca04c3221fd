"""What is computed once and kept for several runs: the corpus, and what frozen networks give."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.markup import escape

from s2vkit.data.array_writers import FolderWriter
from s2vkit.data.arrays import Arrays
from s2vkit.data.batch_clips import BatchClips
from s2vkit.data.cache_entries import cached, holding
from s2vkit.data.corpus import FootageCorpus
from s2vkit.data.preparation.prepare import prepare
from s2vkit.data.shares import merge_shares, share_of
from s2vkit.data.store import ClipStore
from s2vkit.device import Policy
from s2vkit.engine.frozen_networks import FrozenNetworks
from s2vkit.engine.process_group import ProcessGroup
from s2vkit.engine.sources import Sources
from s2vkit.engine.view import View
from s2vkit.files import recover_folder, remove
from s2vkit.interfaces.data_parallel import Part
from s2vkit.interfaces.dataset import Dataset
from s2vkit.interfaces.fields import FrozenFeatures
from s2vkit.interfaces.stage import Job, Stage
from s2vkit.runs.digest import digest, digest_of_module
from s2vkit.runs.folder import check_disk_space, clear_cache
from s2vkit.runs.plan import Plan

_SHOWN = 5  # clips rejected that are named
_FRAMES = 60  # of a clip that nobody has counted
_SPEECH = 2700  # bytes of speech for each frame, at 16 kHz and 25 frames a second with some to spare
_SHARES = "shares"  # the folder in which processes leave their shares of features, until they are merged
_BEGUN = {
    "speech": "speech features of every clip",
    "variants": "varied speech of training clips",
    "segments": "segments of training clips",
    "targets": "{side} vectors of every clip",
    "maps": "{side} maps of every clip",
}


class Cache:
    """Opens what stages read, making what is not there yet.

    `progress(done, total)` is called now and then, and may raise to stop.
    """

    def __init__(
        self,
        plan: Plan,
        dataset: Dataset,
        policy: Policy,
        view: View,
        progress: Callable[[int, int], None],
        group: ProcessGroup | None = None,
    ) -> None:
        self.plan, self.dataset, self.policy = plan, dataset, policy
        self.view, self.progress, self.group = view, progress, group or ProcessGroup()
        self.recipe, self.graph = plan.recipe, plan.graph
        self.networks = FrozenNetworks(plan.graph, policy, self.recipe.alignment, self.recipe.seed)
        self.folder = Path(self.recipe.cache)
        self._holds, self._open = ExitStack(), set[Path]()
        content = dataset.contents if isinstance(dataset, FootageCorpus) else ""
        of = digest("decoded", content) if content else plan.data
        self.corpus = self.folder / f"corpus-{self.recipe.data.use}-{of}"

    def open(self) -> ClipStore:
        """Open the corpus, preparing it first where it is not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        clear_cache(self.folder)
        self._hold(self.corpus)
        if isinstance(self.dataset, FootageCorpus):
            return self._open_footage(self.dataset)
        if not recover_folder(self.corpus):
            self._prepare()
        store = ClipStore(self.corpus)
        for truth, count in store.lacking().items():
            note = f"note: {count} of {len(store.clips)} clips have no '{truth}'; what asks for it skips them"
            self.view.console.print(escape(note), highlight=False)
        rejected = store.index.rejected
        for name, reason in list(rejected.items())[:_SHOWN]:
            self.view.console.print(f"rejected: {escape(name)}: {escape(reason)}", highlight=False)
        if len(rejected) > _SHOWN:
            more = f"and {len(rejected) - _SHOWN} more, see {self.corpus / 'index.json'}"
            self.view.console.print(escape(more), highlight=False)
        return store

    def _open_footage(self, dataset: FootageCorpus) -> ClipStore:
        needed, kept = dataset.decoded_bytes, self.keeps_decoded(dataset)
        if kept and not self.corpus.is_dir():
            check_disk_space(self.folder, int(1.1 * needed), "the decoded frames")
        self.view.begin("corpus")
        store = dataset.open(self.corpus, self.progress)
        way = "decoded in" if kept else "read from the shards of"
        self.view.end(f"{len(store.clips)} clips, {way} {store.folder}")
        return store

    def _prepare(self) -> None:
        clips, workers = len(self.dataset.clips()), self.recipe.compute.workers
        check_disk_space(self.folder, int(2.2 * self.corpus_bytes(_FRAMES * clips)), "the corpus")
        self.view.begin("corpus")
        prepare(self.dataset, self.corpus, workers=workers, progress=self.progress)
        self.view.end(f"{clips} clips in {self.corpus}")

    def keeps_decoded(self, dataset: FootageCorpus) -> bool:
        """Return whether the frames of prepared footage are few enough to be cached as they are."""
        return dataset.decoded_bytes <= dataset.options.crop_cache_gb * 1e9

    def corpus_bytes(self, frames: int) -> int:
        """Estimate the bytes of a corpus of so many frames, with their speech."""
        return int(frames * (self.dataset.size**2 * 3 + _SPEECH))

    def sources(self, stage: Stage | Job, store: ClipStore) -> Sources:
        """Return everything that the batches of a stage are loaded from: what its fields ask for."""
        return self.sources_of([field.frozen() for field in stage.fields], store)

    def sources_of(self, groups: Sequence[tuple[FrozenFeatures, ...]], store: ClipStore) -> Sources:
        """Return a corpus with features of it: cached, computed first where they are not, or live.

        Those of one group are read together: they are all live, or none is.
        """
        kept, live = self._divide(groups, store)
        arrays = {one: self._kept(one, store, self._compute) for one in kept}
        picks = {one: self.networks.picks(one, store) for one in live}
        return Sources(
            store, self.graph.encoder.sample_rate, arrays, picks, self.networks, self.graph.encoder.level
        )

    def fill(self, stage: Stage, store: ClipStore) -> None:
        """Compute what a stage reads and is not cached yet, each process its share; all come here."""
        if self.group.part.world == 1:
            return
        missing: list[FrozenFeatures] = []
        if self.group.leads:
            kept, _ = self._divide([field.frozen() for field in stage.fields], store)
            missing = [one for one in kept if not recover_folder(self._folder(one, store))]
        for one in self.group.from_leader(missing):
            if self.group.leads:
                self._kept(one, store, self._compute_together)  # unless another run just has
                self.group.from_leader(None)
            else:
                while (place := self.group.from_leader(None)) is not None:
                    self._compute_share(one, store, place)
                    self.group.wait()

    def _divide(
        self, groups: Sequence[tuple[FrozenFeatures, ...]], store: ClipStore
    ) -> tuple[list[FrozenFeatures], list[FrozenFeatures]]:
        """Divide what groups of features ask for into what is cached and what is live."""
        asked = dict.fromkeys(one for group in groups for one in group)
        frames = sum(clip.frames for clip in store.clips)
        large = self.live(len(store.clips), frames)
        live = {one for one in asked if one in large and not self._is_kept(one, store)}
        while more := {one for group in groups if live.intersection(group) for one in group} - live:
            live |= more
        return [one for one in asked if one not in live], [one for one in asked if one in live]

    def count(self) -> tuple[int, int]:
        """Count clips and frames of the corpus; frames are guessed where it is not prepared yet."""
        if isinstance(self.dataset, FootageCorpus) and self.dataset.ready:
            records = self.dataset.index.clips
        elif (self.corpus / "index.json").is_file():
            records = ClipStore(self.corpus).clips
        else:
            clips = len(self.dataset.clips())
            return clips, _FRAMES * clips
        return len(records), sum(record.frames for record in records)

    def sizes(self, clips: int, frames: int) -> dict[FrozenFeatures, int]:
        """Reckon the bytes of all that the stages ask frozen networks for, the smallest first."""
        stages = [step.stage for step in self.plan.steps if not step.idle]
        asked = {one for stage in stages for field in stage.fields for one in field.frozen()}
        sizes = {one: self.networks.size(one, clips, frames) for one in asked}
        return dict(sorted(sizes.items(), key=lambda item: (item[1], str(item[0]))))

    def live(self, clips: int, frames: int) -> set[FrozenFeatures]:
        """Say what is computed live: with `auto` the largest, where all is more than `cache_gb`."""
        sizes, compute = self.sizes(clips, frames), self.recipe.compute
        if compute.frozen_features == "live":
            return set(sizes)
        left = math.inf if compute.frozen_features == "cached" else compute.cache_gb * 1e9
        live = set()
        for one, size in sizes.items():
            left -= size
            if left < 0:
                live.add(one)
        return live

    def _is_kept(self, features: FrozenFeatures, store: ClipStore) -> bool:
        auto = self.recipe.compute.frozen_features == "auto"
        return auto and recover_folder(self._folder(features, store))

    def _folder(self, features: FrozenFeatures, store: ClipStore) -> Path:
        """Name the folder of features; it holds the hash of clips, weights and options."""
        name, of = self._name_of(features, store)
        part, content = self.networks.part(features), store.index.content or self.plan.data
        weights = digest_of_module(self.graph.modules()[part])
        return self.folder / f"{name}-{self.plan.frozen_key(part, content, weights, *of)}"

    def _name_of(self, features: FrozenFeatures, store: ClipStore) -> tuple[str, list[Any]]:
        """Return what a folder of features is called, and all that they follow from beside the network."""
        seed, side, count = self.recipe.seed, features.side, features.count
        if features.what == "speech":
            return "speech", [self.recipe.alignment.model_dump()]
        if features.what == "segments":
            return "speech", [count, features.vary, features.shortest, seed, digest(store.split("train"))]
        if features.what == "variants":
            alignment = self.recipe.alignment.model_dump()
            return "variants", [alignment, count, seed, digest(store.split("train"))]
        if features.what == "targets":
            return f"faces-{side}", [count, (seed, side) if count > 1 else None]
        return "faces-maps", ["maps"]

    def _kept(
        self,
        features: FrozenFeatures,
        store: ClipStore,
        compute: Callable[[FrozenFeatures, ClipStore, Path], None],
    ) -> Arrays:
        """Open features that are cached, computing them first where they are not there."""

        def begin(out: Path) -> None:
            self.view.begin(_BEGUN[features.what].format(side=features.side))
            compute(features, store, out)
            self.view.end("kept")

        folder = self._folder(features, store)
        self._hold(folder)
        part = self.networks.part(features)
        return cached(folder, begin, f"{self.plan.slots[part].use} on {self.recipe.data.use}")

    def _compute(self, features: FrozenFeatures, store: ClipStore, out: Path) -> None:
        picks = self.networks.picks(features, store)
        self.networks.encode(features, store, picks, FolderWriter(out), self.progress)

    def _compute_together(self, features: FrozenFeatures, store: ClipStore, out: Path) -> None:
        """Compute features with the other processes, which wait to be told where."""
        size = self.networks.size(features, len(store.clips), sum(clip.frames for clip in store.clips))
        check_disk_space(out, int(2.1 * size), f"the {features.title}, in shares and whole")
        place = out / _SHARES
        place.mkdir()
        self.group.from_leader(place)
        self._compute_share(features, store, place)
        self.group.wait()
        world = self.group.part.world
        shares = [(share_of(len(store.clips), Part(n, world)), place / str(n)) for n in range(world)]
        merge_shares(features, store, shares, out)
        remove(place)

    def _compute_share(self, features: FrozenFeatures, store: ClipStore, place: Path) -> None:
        """Compute features of this process's clips, into a folder of its own."""
        clips = share_of(len(store.clips), self.group.part)
        if len(clips):
            own = BatchClips(store, clips, self.graph.encoder.sample_rate)
            (folder := place / str(self.group.part.rank)).mkdir()
            picks = self.networks.picks(features, store)[clips]
            self.networks.encode(features, own, picks, FolderWriter(folder), self.progress)

    def _hold(self, folder: Path) -> None:
        """Keep an entry from being pruned until `close`."""
        if folder not in self._open:
            self._open.add(folder)
            self._holds.enter_context(holding(folder, Path(self.recipe.output)))

    def close(self) -> None:
        """Release everything that was opened."""
        self._holds.close()
        self._open.clear()
