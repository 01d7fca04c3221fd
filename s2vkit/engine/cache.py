"""What is computed once and kept for several runs: the corpus, and what frozen networks give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.markup import escape

from s2vkit.data.arrays import Arrays
from s2vkit.data.corpus import FootageCorpus
from s2vkit.data.frozen import cached, hear_all, look_all
from s2vkit.data.prepare import prepare
from s2vkit.data.store import ClipStore
from s2vkit.engine.batches import Sources
from s2vkit.engine.device import Policy
from s2vkit.engine.folder import clear_cache, need_room
from s2vkit.engine.plan import HEARD, Plan
from s2vkit.engine.view import View
from s2vkit.files import recover_folder
from s2vkit.parts.dataset import Dataset
from s2vkit.parts.seed import generator
from s2vkit.parts.stage import Stage

_SHOWN = 5  # clips set aside that are named


class Cache:
    """Opens what stages read, making what is not there yet.

    `progress(done, total)` is called now and then, and may raise to stop.
    """

    def __init__(
        self, plan: Plan, dataset: Dataset, policy: Policy, view: View,
        progress: Callable[[int, int], None],
    ) -> None:  # fmt: skip
        self.plan, self.dataset, self.policy = plan, dataset, policy
        self.view, self.progress = view, progress
        self.recipe, self.graph = plan.recipe, plan.graph
        self.folder = Path(self.recipe.cache)
        self.corpus = self.folder / f"corpus-{self.recipe.data.use}-{plan.data}"

    def open(self) -> ClipStore:
        """Open the corpus, preparing it first where it is not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        clear_cache(self.folder)
        if isinstance(self.dataset, FootageCorpus):
            return self._open_footage(self.dataset)
        if not recover_folder(self.corpus):
            self._prepare()
        store = ClipStore(self.corpus)
        aside = store.index.set_aside
        for name, reason in list(aside.items())[:_SHOWN]:
            self.view.console.print(f"set aside: {escape(name)}: {escape(reason)}", highlight=False)
        if len(aside) > _SHOWN:
            more = f"and {len(aside) - _SHOWN} more, see {self.corpus / 'index.json'}"
            self.view.console.print(escape(more), highlight=False)
        return store

    def _open_footage(self, dataset: FootageCorpus) -> ClipStore:
        needed = dataset.decoded_bytes
        kept = needed <= dataset.options.crop_cache_gb * 1e9
        if kept and not self.corpus.is_dir():
            need_room(self.folder, int(1.1 * needed), "the decoded frames")
        self.view.begin("corpus")
        store = dataset.open(self.corpus, self.progress)
        said = "decoded in" if kept else "read from the shards of"
        self.view.end(f"{len(store.clips)} clips, {said} {store.folder}")
        return store

    def _prepare(self) -> None:
        clips, workers = len(self.dataset.clips()), self.recipe.compute.workers
        frame = self.dataset.size**2 * 3
        need_room(self.folder, int(clips * 2.2 * (60 * frame + 2.5 * 64000)), "the corpus")
        self.view.begin("corpus")
        prepare(self.dataset, self.corpus, workers=workers, progress=self.progress)
        self.view.end(f"{clips} clips in {self.corpus}")

    def sources(self, name: str, stage: Stage, store: ClipStore) -> Sources:
        """Give everything that the batches of a stage are made from."""
        caches = self.plan.caches[name]
        heard = self._hear(store, caches.speech) if stage.needs & HEARD else None
        looked = {
            side: self._look(store, side, caches.faces[side])
            for side in self.graph.teachers
            if "targets" in stage.needs or ("maps" in stage.needs and side == "identity")
        }
        return Sources(store, self.graph.encoder.sample_rate, heard, looked)

    def _hear(self, store: ClipStore, fingerprint: str) -> Arrays:
        def make(out: Path) -> None:
            self.view.begin("hearing every clip once")
            self._freeze(self.graph.encoder)
            alignment = self.recipe.alignment
            hear_all(
                store, self.graph.encoder, out, device=self.policy.device,
                mode=alignment.mode, shift=alignment.shift, stretches=self.plan.stretches,
                generator=generator(self.recipe.seed, "stretches"), progress=self.progress,
            )  # fmt: skip
            self.view.end("speech features kept")

        return cached(self.folder / f"speech-{fingerprint}", make)

    def _look(self, store: ClipStore, side: str, fingerprint: str) -> Arrays:
        def make(out: Path) -> None:
            self.view.begin(f"looking at every clip once ({side})")
            teacher = self.graph.teachers[side]
            self._freeze(teacher)
            look_all(
                store, teacher, out, device=self.policy.device,
                views=self.plan.views[side], maps=self.plan.maps and side == "identity",
                generator=generator(self.recipe.seed, "views", side), progress=self.progress,
            )  # fmt: skip
            self.view.end("teacher's vectors kept")

        return cached(self.folder / f"faces-{side}-{fingerprint}", make)

    def _freeze(self, module: Any) -> None:
        self.policy.place(module).eval().requires_grad_(False)
