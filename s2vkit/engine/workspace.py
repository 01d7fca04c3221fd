"""What a job of a run can use: clips generated from speech alone, with the real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from s2vkit.data.store import ClipStore
from s2vkit.engine.conditioning import condition_clip
from s2vkit.engine.process_group import ProcessGroup
from s2vkit.engine.sources import Sources
from s2vkit.files import write_json, write_text
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.fields import FrozenFeatures
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.metric import Outcome, ProbeData
from s2vkit.interfaces.pixels import to_images
from s2vkit.interfaces.score_files import finite
from s2vkit.speech.conditions import RECORDING_CONDITIONS


class RunWork:
    """Generates clips for jobs; see `s2vkit.interfaces.stage.Work`."""

    def __init__(
        self,
        graph: Graph,
        folder: Path,
        store: ClipStore,
        pipeline: InferencePipeline,
        progress: Callable[[int, int], None],
        sources: Callable[[], Sources],
        group: ProcessGroup | None = None,
    ) -> None:
        """`group`: the processes that share the job; without it this one does all of it."""
        self._group = group or ProcessGroup()
        self.part = self._group.part
        self.graph, self.folder, self.store = graph, folder, store
        self.pipeline, self.progress, self.sources = pipeline, progress, sources
        kinds = ("teacher", "evaluator", "sync_evaluator", "landmarks")  # the pipeline has placed the others
        modules = graph.modules().items()
        pipeline.policy.place_all({k: m for k, m in modules if k.split(".")[0] in kinds})

    def outcomes(self, split: str, max_clips: int | None, under: str | None = None) -> Iterator[Outcome]:
        """Generate the clips of a split, at most `max_clips`, spread over the split."""
        clips = self.store.split(split)
        if max_clips is not None and max_clips < len(clips):
            clips = [clips[i * len(clips) // max_clips] for i in range(max_clips)]
        for first in range(0, len(clips), self.part.world):
            some = clips[first : first + self.part.world]
            for done, (clip, drawn) in enumerate(zip(some, self._draw_each(some, under), strict=True), 1):
                yield self._outcome(clip, *(self._placed(frames) for frames in drawn))
                self.progress(first + done, len(clips))

    def _draw_each(self, clips: list[int], under: str | None) -> list[tuple[Tensor | None, ...]]:
        """Generate clips, each in another process: their frames, on the CPU where there are several."""
        rank = self.part.rank
        own = self._draw(clips[rank], under) if rank < len(clips) else ()
        if self.part.world == 1:
            return [own]
        return self._group.exchange(tuple(None if one is None else one.cpu() for one in own))[: len(clips)]

    def _placed(self, frames: Tensor | None) -> Tensor | None:
        return None if frames is None else frames.to(self.pipeline.policy.device)

    def outcome(self, clip: int, under: str | None = None) -> Outcome:
        """Generate one clip from its speech, or from its speech changed and from itself."""
        return self._outcome(clip, *self._draw(clip, under))

    def _draw(self, clip: int, under: str | None) -> tuple[Tensor, Tensor | None]:
        """Generate one clip; where its speech is changed, from the speech as it is too."""
        generated = torch.cat(list(self.pipeline.generate(condition_clip(self.pipeline, self.store, clip))))
        if under is None:
            return generated, None
        changed = condition_clip(self.pipeline, self.store, clip, RECORDING_CONDITIONS[under])
        return torch.cat(list(self.pipeline.generate(changed))), generated

    def _outcome(self, clip: int, generated: Tensor | None, clean: Tensor | None) -> Outcome:
        assert generated is not None
        record = self.store.clips[clip]
        real = to_images(torch.from_numpy(self.store.frames(clip))).to(generated.device)
        return Outcome(
            record.name,
            generated,
            real,
            dict(record.labels),
            self.store.truth(clip),
            self.graph.evaluators,
            torch.from_numpy(self.store.speech(clip)),
            self.store.index.sample_rate,
            self.store.index.fps,
            self.graph.sync_evaluator,
            self.graph.landmarks,
            clean,
        )

    def probe_data(self, split: str) -> ProbeData:
        """Return summaries and targets of the clips of a split from the caches, and the students' codes."""
        sources, clips = self.sources(), self.store.split(split)
        summary = torch.from_numpy(sources.values(FrozenFeatures("speech"), "summary", clips)).float()
        records = [self.store.clips[i] for i in clips]
        names = sorted({name for record in records for name in record.labels})
        return ProbeData(
            [record.name for record in records],
            {name: [record.labels.get(name, "") for record in records] for name in names},
            summary,
            self._codes(summary),
            {
                features.side: torch.from_numpy(sources.values(features, "targets", clips).mean(1)).float()
                for features in (*sources.arrays, *sources.live)
                if features.what == "targets"
            },
            lambda i: self.store.speech(clips[i]),
            self.store.index.sample_rate,
        )

    @torch.inference_mode()
    def _codes(self, summary: Tensor) -> dict[str, Tensor]:
        device = self.pipeline.policy.device
        return {
            side: torch.cat([student(part.to(device)).float().cpu() for part in summary.split(512)])
            for side, student in self.graph.students.items()
        }

    def collect(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return what all processes that share the job have found, by name; all must call it."""
        return {name: one for part in self._group.exchange(found) for name, one in part.items()}

    def save(self, name: str, data: Any) -> None:
        """Write a result of the run; figures that are not finite become null, as JSON requires."""
        if self._group.leads:
            write_json(self.folder / name, finite(data))

    def save_text(self, name: str, text: str) -> None:
        """Write a result of the run that is text."""
        if self._group.leads:
            write_text(self.folder / name, text)
