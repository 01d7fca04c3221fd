"""`s2vkit export`: the files of a model in another format, written whole and only if they hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from s2vkit import __version__
from s2vkit.device import one_thread
from s2vkit.errors import InputError, RunFolderError
from s2vkit.export.formats import FORMATS, Format
from s2vkit.export.parity import LARGEST, LEAST_PSNR, Parity, compare
from s2vkit.export.parts import Part, parts_of, speech_step
from s2vkit.export.running import MANIFEST, open_exported
from s2vkit.export.web import check_for_page, find_runtime, write_page
from s2vkit.files import atomic_folder, write_json
from s2vkit.inference.model import TalkingFaceModel, load_model


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    files: dict[str, int]  # name -> bytes
    parity: Parity


def export_model(
    source: Path,
    folder: Path,
    *,
    form: str = "onnx",
    precision: str | None = None,
    runtime: Path | None = None,
    force: bool = False,
) -> Exported:
    """Export the model of a run or bundle into a folder, checked against the model itself.

    `precision` is the format's own if None; `runtime` is where ONNX Runtime Web lies, for a page.
    Raises InputError if it cannot be exported so, or if what was exported draws other frames;
    RunFolderError if `folder` holds other things; ResourceError if a package is missing.
    """
    chosen = FORMATS[form]
    precision = precision or chosen.precisions[0]
    if precision not in chosen.precisions:
        raise InputError(
            f"{form} cannot store weights as {precision}", hint=f"take {', '.join(chosen.precisions)}"
        )
    check_folder(folder, force)
    write = chosen.writer()
    page = find_runtime(runtime, Path.cwd()) if chosen.page else None
    model = load_model(source, device="cpu")
    with one_thread(), atomic_folder(folder) as temporary:
        parts = parts_of(model.pipeline.graph)
        for part in parts:
            write(part, temporary / f"{part.name}{chosen.suffix}", precision)
        facts = describe(model, parts, form, precision, chosen)
        if page:
            check_for_page(facts)
        write_json(temporary / MANIFEST, facts)
        parity = compare(model.pipeline, open_exported(temporary))
        check_parity(parity, form, precision)
        facts["parity"] = vars(parity)
        write_json(temporary / MANIFEST, facts)
        if page:
            write_page(temporary, facts, page)
        files = {path.name: path.stat().st_size for path in sorted(temporary.iterdir())}
    return Exported(folder, files, parity)


def describe(
    model: TalkingFaceModel, parts: list[Part], form: str, precision: str, chosen: Format
) -> dict[str, Any]:
    """Say all that a program must know to run the files."""
    pipeline, step = model.pipeline, speech_step(model.pipeline.graph)
    encoder, generator = pipeline.graph.encoder, pipeline.graph.generator
    assert generator is not None
    return {
        "format": 1,
        "s2vkit": __version__,
        "runtime": form,
        "precision": precision,
        "files": {part.name: f"{part.name}{chosen.suffix}" for part in parts},
        "size": model.size,
        "fps": model.fps,
        "sample_rate": model.sample_rate,
        "level": encoder.level,
        "alignment": {"mode": pipeline.alignment.mode, "shift": pipeline.alignment.shift},
        "encoder": {
            "samples": step.samples,
            "late": step.late,
            "least": step.least,
            "rate": encoder.rate,
            "dim": encoder.dim,
            "summary_dim": encoder.summary_dim,
            "state": [_tensor(name, one) for name, one in zip(step.names, step.begin(), strict=True)],
        },
        "generator": {
            "context_radius": generator.context_radius,
            "image": generator.takes_reference_image,
            "times": generator.takes_times,
        },
        "codes": {side: student.dim for side, student in pipeline.graph.students.items()},
        "labels": {
            side: {label: [round(x, 6) for x in code.tolist()] for label, code in codes.items()}
            for side, codes in model.codes.items()
        },
    }


def _tensor(name: str, value: Tensor) -> dict[str, Any]:
    return {"name": name, "shape": list(value.shape), "type": str(value.dtype).removeprefix("torch.")}


def check_folder(folder: Path, force: bool) -> None:
    """Raise RunFolderError if a folder holds other things than an export, or one not to be replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / MANIFEST).is_file():
        raise RunFolderError(f"{folder}: holds other things than an export", hint="name another folder")
    if not force:
        raise RunFolderError(f"{folder}: is there already", hint="give --force to replace it")


def check_parity(parity: Parity, form: str, precision: str) -> None:
    """Raise InputError if the exported model draws other frames than the model."""
    if parity.holds(precision):
        return
    wanted = f"at most {LARGEST:g}" if precision == "fp32" else f"at least {LEAST_PSNR:g} dB"
    raise InputError(
        f"{form} in {precision} draws other frames than the model: they differ by up to {parity.frames:.1e} "
        f"({parity.psnr:.1f} dB), in pieces by {parity.pieces:.1e}; {wanted} and {LARGEST:g} are allowed, "
        "and nothing was written",
        hint="take --precision fp32" if precision != "fp32" else "",
    )
