"""What is computed once and kept for several runs: the corpus, and what frozen networks give."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.markup import escape

from s2vkit.data.arrays import Arrays
from s2vkit.data.cache_entries import cached, holding
from s2vkit.data.corpus import FootageCorpus
from s2vkit.data.frozen import encode_faces, encode_maps, encode_segments, encode_speech
from s2vkit.data.preparation.prepare import prepare
from s2vkit.data.store import ClipStore
from s2vkit.device import Policy
from s2vkit.engine.sources import Sources
from s2vkit.engine.view import View
from s2vkit.files import recover_folder
from s2vkit.interfaces.dataset import Dataset
from s2vkit.interfaces.fields import FrozenFeatures
from s2vkit.interfaces.seed import generator
from s2vkit.interfaces.stage import Job, Stage
from s2vkit.runs.digest import digest, digest_of_module
from s2vkit.runs.folder import check_disk_space, clear_cache
from s2vkit.runs.plan import Plan

_SHOWN = 5  # clips rejected that are named


class Cache:
    """Opens what stages read, making what is not there yet.

    `progress(done, total)` is called now and then, and may raise to stop.
    """

    def __init__(
        self, plan: Plan, dataset: Dataset, policy: Policy, view: View, progress: Callable[[int, int], None]
    ) -> None:
        self.plan, self.dataset, self.policy = plan, dataset, policy
        self.view, self.progress = view, progress
        self.recipe, self.graph = plan.recipe, plan.graph
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
        needed = dataset.decoded_bytes
        kept = needed <= dataset.options.crop_cache_gb * 1e9
        if kept and not self.corpus.is_dir():
            check_disk_space(self.folder, int(1.1 * needed), "the decoded frames")
        self.view.begin("corpus")
        store = dataset.open(self.corpus, self.progress)
        way = "decoded in" if kept else "read from the shards of"
        self.view.end(f"{len(store.clips)} clips, {way} {store.folder}")
        return store

    def _prepare(self) -> None:
        clips, workers = len(self.dataset.clips()), self.recipe.compute.workers
        frame = self.dataset.size**2 * 3
        check_disk_space(self.folder, int(clips * 2.2 * (60 * frame + 2.5 * 64000)), "the corpus")
        self.view.begin("corpus")
        prepare(self.dataset, self.corpus, workers=workers, progress=self.progress)
        self.view.end(f"{clips} clips in {self.corpus}")

    def sources(self, stage: Stage | Job, store: ClipStore) -> Sources:
        """Return everything that the batches of a stage are loaded from: what its fields ask for."""
        asked = dict.fromkeys(one for field in stage.fields for one in field.frozen())
        arrays = {one: self._frozen(one, store) for one in asked}
        return Sources(store, self.graph.encoder.sample_rate, arrays)

    def speech(self, store: ClipStore) -> Arrays:
        """Return what the encoder makes of every clip: `features` and `summary`."""
        return self._frozen(FrozenFeatures("speech"), store)

    def _frozen(self, features: FrozenFeatures, store: ClipStore) -> Arrays:
        """Open what a frozen network computes of every clip, computing it first where it is not there."""
        compute = {
            "speech": lambda: self._encode_speech(store),
            "segments": lambda: self._encode_segments(store, features.count),
            "targets": lambda: self._encode_faces(store, features.side, features.count),
            "maps": lambda: self._encode_maps(store, features.side),
        }
        return compute[features.what]()

    def _encode_speech(self, store: ClipStore) -> Arrays:
        alignment, encoder = self.recipe.alignment, self.graph.encoder

        def make(out: Path) -> None:
            encode_speech(
                store,
                encoder,
                out,
                device=self.policy.device,
                mode=alignment.mode,
                shift=alignment.shift,
                progress=self.progress,
            )

        begun = "speech features of every clip"
        return self._kept("speech", "encoder", encoder, store, [alignment.model_dump()], begun, make)

    def _encode_segments(self, store: ClipStore, segments: int) -> Arrays:
        encoder, seed = self.graph.encoder, self.recipe.seed

        def make(out: Path) -> None:
            encode_segments(
                store,
                encoder,
                out,
                device=self.policy.device,
                segments=segments,
                generator=generator(seed, "stretches"),  # a stream's name: part of the seed
                progress=self.progress,
            )

        of = [segments, seed, digest(store.split("train"))]
        return self._kept("speech", "encoder", encoder, store, of, "segments of training clips", make)

    def _encode_faces(self, store: ClipStore, side: str, frames_per_clip: int) -> Arrays:
        teacher, seed = self.graph.teachers[side], self.recipe.seed

        def make(out: Path) -> None:
            encode_faces(
                store,
                teacher,
                out,
                device=self.policy.device,
                frames_per_clip=frames_per_clip,
                generator=generator(seed, "views", side),  # likewise
                progress=self.progress,
            )

        of, begun = (
            [frames_per_clip, (seed, side) if frames_per_clip > 1 else None],
            f"{side} vectors of every clip",
        )
        return self._kept(f"faces-{side}", f"teacher.{side}", teacher, store, of, begun, make)

    def _encode_maps(self, store: ClipStore, side: str) -> Arrays:
        teacher = self.graph.teachers[side]

        def make(out: Path) -> None:
            encode_maps(store, teacher, out, device=self.policy.device, progress=self.progress)

        begun = f"{side} maps of every clip"
        return self._kept("faces-maps", f"teacher.{side}", teacher, store, ["maps"], begun, make)

    def _kept(
        self,
        name: str,
        part: str,
        module: Any,
        store: ClipStore,
        of: list[Any],
        begun: str,
        make: Callable[[Path], None],
    ) -> Arrays:
        """Open what a frozen part gives; its name holds the clips', weights' and options' hash."""
        content = store.index.content or self.plan.data
        key = self.plan.frozen_key(part, content, digest_of_module(module), *of)

        def begin(out: Path) -> None:
            self.view.begin(begun)
            self.policy.place(module).eval().requires_grad_(False)
            make(out)
            self.view.end("kept")

        folder = self.folder / f"{name}-{key}"
        self._hold(folder)
        return cached(folder, begin, f"{self.plan.slots[part].use} on {self.recipe.data.use}")

    def _hold(self, folder: Path) -> None:
        """Keep an entry from being pruned until `close`."""
        if folder not in self._open:
            self._open.add(folder)
            self._holds.enter_context(holding(folder, Path(self.recipe.output)))

    def close(self) -> None:
        """Release everything that was opened."""
        self._holds.close()
        self._open.clear()
