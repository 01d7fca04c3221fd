"""Sample pictures while a generator trains: clips over time, speaker by emotion, identity maps."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from s2vkit.data.store import ClipStore
from s2vkit.device import Policy
from s2vkit.engine.conditioning import condition_clip
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.callback import Callback, TrainingState
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.pixels import to_uint8
from s2vkit.rendering.grids import draw_grids, frames_of, middle
from s2vkit.rendering.held_out import pick_clips
from s2vkit.report.pictures import contact_sheet, save_png
from s2vkit.settings import Alignment

ROWS = 4  # clips followed over time


class SamplePictures(Callback):
    """Draws with the weights of the moment, the running mean's where there is one.

    The generator that trains is not touched: a copy of it draws. Each column over time is kept
    as a picture of its own beside the stage's log, so a resumed stage goes on with the sheet.
    """

    def __init__(
        self, run: Path, store: ClipStore, graph: Graph, alignment: Alignment, policy: Policy, times: int
    ) -> None:
        self.run, self.store, self.graph = run, store, graph
        self.alignment, self.policy, self.times = alignment, policy, times
        self.clips = pick_clips(store)[:ROWS] if times else []

    def on_step_end(self, state: TrainingState) -> None:
        """Draw, `times` times in all."""
        if self.times and state.step % max(1, state.total // self.times) == 0:
            self.draw(state)

    def draw(self, state: TrainingState) -> None:
        """Add a column of the step to the sheet over time, and draw the other two anew."""
        generator = copy.deepcopy(state.averaged.get("generator", self.graph.generator))
        pipeline = InferencePipeline(
            replace(self.graph, generator=generator),  # type: ignore[arg-type]
            self.alignment,
            self.policy,
        )
        column = [to_uint8(middle_frame(pipeline, self.store, clip)) for clip in self.clips]
        folder = self.run / "stages" / state.stage / "samples"
        save_png(folder / f"{state.step:07d}.png", np.concatenate(column))
        for later in folder.glob("*.png"):  # of a run that was killed after its checkpoint
            if int(later.stem) > state.step:
                later.unlink()
        self._over_time(folder)
        draw_grids(pipeline, self.store, self.run / "samples", self.graph.teachers.get("identity"))
        for module in state.modules.values():  # the pipeline puts what it uses into eval mode
            module.train()

    def _over_time(self, folder: Path) -> None:
        size = self.store.index.size
        columns = [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]
        rows = [
            [c[i * size : (i + 1) * size] for c in columns]
            + [self.store.frames(clip, np.array([middle(self.store, clip)]))[0]]
            for i, clip in enumerate(self.clips)
        ]
        names = [f"{self.store.clips[i].name}, true last" for i in self.clips]
        if rows:
            contact_sheet(rows, names, self.run / "samples" / "over_time.png")


def middle_frame(pipeline: InferencePipeline, store: ClipStore, clip: int) -> Tensor:
    """Generate the middle frame of a clip from its speech: (3, H, W)."""
    time = middle(store, clip)
    return frames_of(pipeline, pipeline.segment(condition_clip(pipeline, store, clip), time, time + 1))[0]
