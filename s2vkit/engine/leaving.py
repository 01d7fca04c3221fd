"""The results that a finished run writes: the model, pictures, curves, clips and figures."""

from __future__ import annotations

from rich.markup import escape

from s2vkit.engine.setup import RunSetup
from s2vkit.engine.stage_run import work_of
from s2vkit.files import read_json, write_text
from s2vkit.rendering.held_out import show_run
from s2vkit.report.page import write_page
from s2vkit.report.table import metrics_table


def leave(run: RunSetup, *, whole: bool) -> None:
    """Write the model, pictures, curves and clips of a run that is `whole`, else only its page."""
    if not whole:
        write_page(run.folder)
        return
    versions = "-".join(sorted(s.result for s in run.plan.steps))
    mark, model = run.folder / "shown", run.folder / "model"
    there = model.is_dir() or not run.plan.draws
    if mark.exists() and mark.read_text(encoding="utf-8") == versions and there:
        return
    if run.plan.draws:
        run.builder.save_bundle(model, run.graph)
    run.view.begin("pictures, curves and clips" if run.plan.draws else "curves")
    show_run(work_of(run), clips=run.plan.draws)
    write_text(mark, versions)
    run.view.end(str(run.folder))


def show_figures(run: RunSetup) -> None:
    """Show the figures of the run, if it has come to them."""
    metrics = read_json(run.folder / "metrics.json")
    if metrics:
        still = run.graph.takes_reference_image
        source = "speech and a reference image of the speaker" if still else "speech alone"
        title = f"clips generated from {source} (how defined: metrics.json)"
        run.console.print(metrics_table(metrics, title, definitions=False))
    run.console.print(f"everything is in {escape(str(run.folder))}", highlight=False)
