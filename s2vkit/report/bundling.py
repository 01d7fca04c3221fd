"""`s2vkit bundle`: the model of a finished run as a folder to share, with all that belongs to it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from s2vkit.errors import RunFolderError
from s2vkit.files import atomic_folder, read_json, sha256_of, write_text
from s2vkit.inference.bundle import find_bundle
from s2vkit.inference.generate import How, generate_one
from s2vkit.inference.marking import marker_of
from s2vkit.inference.model import load_model
from s2vkit.inference.outputs import Pair
from s2vkit.report.facts import open_run
from s2vkit.report.model_card import CardOptions, model_card
from s2vkit.tensors import read_tensors, write_tensors

SUMS, _WEIGHTS = "SHA256SUMS", "model.safetensors"


@dataclass(frozen=True)
class Bundled:
    """The bundle that was written."""

    folder: Path
    files: dict[str, int]  # name -> bytes


def bundle_run(
    run: Path, folder: Path, *, half: bool = False, force: bool = False, card: CardOptions | None = None
) -> Bundled:
    """Write a finished run's model, card, recipe, figures and a sample; whole or not at all.

    `half` stores the weights as fp16, of which the model computes in fp32 as before. Raises
    RunFolderError if the run has no finished model, or `folder` holds anything but a bundle.
    """
    model = find_bundle(run)
    _check(run, model, folder, force)
    facts = open_run(run, folder)
    with atomic_folder(folder) as part:
        shutil.copyfile(model / "config.json", part / "config.json")
        _copy_weights(model / _WEIGHTS, part / _WEIGHTS, half=half)
        for name in ("recipe.yaml", "metrics.json"):
            if (run / name).is_file():
                shutil.copyfile(run / name, part / name)
        config = read_json(part / "config.json")
        write_text(part / "README.md", model_card(facts, config, card or CardOptions()))
        _draw_sample(facts.videos, part)
        names = sorted(path.name for path in part.iterdir())
        write_text(part / SUMS, "".join(f"{sha256_of(part / name)}  {name}\n" for name in names))
        files = {path.name: path.stat().st_size for path in sorted(part.iterdir())}
    return Bundled(folder, files)


def _check(run: Path, model: Path, folder: Path, force: bool) -> None:
    if model == run:
        raise RunFolderError(f"{run}: is a bundle already", hint="name the run folder it came from")
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / SUMS).is_file()):
        raise RunFolderError(f"{folder}: holds other things than a bundle", hint="name another folder")
    if not force and any(folder.iterdir()):
        raise RunFolderError(f"{folder}: is there already", hint="give --force to replace it")


def _copy_weights(source: Path, target: Path, *, half: bool) -> None:
    if not half:
        shutil.copyfile(source, target)
        return
    tensors = read_tensors(source)
    halves = {name: one.half() if one.dtype == torch.float32 else one for name, one in tensors.items()}
    lost = [name for name, one in halves.items() if one.is_floating_point() and not one.isfinite().all()]
    if lost:
        raise RunFolderError(f"{source}: '{lost[0]}' holds values beyond fp16", hint="leave --half out")
    write_tensors(halves, target)


def _draw_sample(videos: list[Path], part: Path) -> None:
    """Draw sample.mp4 from the speech of a clip that the run shows; the true face stays out of it.

    A model that animates a picture of a face gets none.
    """
    model = load_model(part, device="cpu")
    if not videos or model.needs_image:
        return
    how = How(marking=marker_of(part))
    generate_one(model, Pair(videos[0], part / "sample.mp4", "mp4"), {}, how)
