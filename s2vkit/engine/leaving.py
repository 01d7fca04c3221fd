"""The results that a finished run writes: the model, pictures, curves, clips and figures."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from rich.markup import escape

from s2vkit.engine.setup import RunSetup
from s2vkit.engine.stage_run import work_of
from s2vkit.files import read_json, write_text
from s2vkit.inference.codes import LabelCodes, mean_codes
from s2vkit.inference.marking import NOT_MARKED, marker_of
from s2vkit.interfaces.fields import FrozenFeatures
from s2vkit.marking.marker import Marker
from s2vkit.rendering.held_out import show_run
from s2vkit.report.page import write_page
from s2vkit.report.table import metrics_table

_LAYOUT = "2"  # of what is left; a run that left another is shown anew


def leave(run: RunSetup, *, whole: bool) -> None:
    """Write the model, pictures, curves and clips of a run that is `whole`, else only its page."""
    if not whole:
        write_page(run.folder)
        return
    versions = "-".join([_LAYOUT, _marks(run), *sorted(s.result for s in run.plan.steps)])
    mark, model = run.folder / "shown", run.folder / "model"
    there = model.is_dir() or not run.plan.draws
    if mark.exists() and mark.read_text(encoding="utf-8") == versions and there:
        return
    if run.plan.draws:
        run.builder.save_bundle(model, run.graph, _label_codes(run))
    run.view.begin("pictures, curves and clips" if run.plan.draws else "curves")
    marking = _marking(run, model) if run.plan.draws else None
    show_run(work_of(run), clips=run.plan.draws, marking=marking)
    write_text(mark, versions)
    run.view.end(str(run.folder))


@torch.inference_mode()
def _label_codes(run: RunSetup) -> LabelCodes:
    """Average what the students say of the training clips, by speaker, by emotion and so on."""
    students = run.graph.students
    clips = [i for i, clip in enumerate(run.store.clips) if clip.split == "train"]
    if not students or not clips:
        return {}
    run.policy.place_all({f"student.{side}": student for side, student in students.items()})
    speech = FrozenFeatures("speech")
    summary = run.cache.sources_of([(speech,)], run.store).values(speech, "summary", clips)
    summaries = torch.from_numpy(summary).float()
    parts = [part.to(run.policy.device) for part in summaries.split(512)]
    codes = {side: torch.cat([student(p).float().cpu() for p in parts]) for side, student in students.items()}
    labels = {side: [run.store.clips[i].labels.get(side, "") for i in clips] for side in students}
    return mean_codes(codes, labels)


def _marks(run: RunSetup) -> str:
    """Name how the videos are marked: the model and they are written anew if that changes."""
    if not run.recipe.mark:
        return "unmarked"
    return json.dumps(run.recipe.watermark.dump()) if run.recipe.watermark else "marked"


def _marking(run: RunSetup, model: Path) -> Marker | None:
    """Return what marks the run's videos; what is not marked is among its warnings."""
    marking = marker_of(model, run.registry) if run.recipe.mark else None
    for note in marking.notes if marking else [NOT_MARKED]:
        run.warn(note)
    return marking


def show_figures(run: RunSetup) -> None:
    """Show the figures of the run, if it has come to them."""
    metrics = read_json(run.folder / "metrics.json")
    if metrics:
        still = run.graph.takes_reference_image
        source = "speech and a reference image of the speaker" if still else "speech alone"
        title = f"clips generated from {source} (how defined: metrics.json)"
        run.console.print(metrics_table(metrics, title, definitions=False))
    run.console.print(f"everything is in {escape(str(run.folder))}", highlight=False)
