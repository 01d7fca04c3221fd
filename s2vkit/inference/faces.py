"""The identity code of a face in a picture, by the teacher of the run that trained the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from s2vkit.errors import InputError, RunFolderError
from s2vkit.files import read_json
from s2vkit.inference.config import read_config, read_slot
from s2vkit.interfaces.pixels import to_images
from s2vkit.plugins import registry
from s2vkit.tensors import load_modules

_PART = "teacher.identity"


@torch.inference_mode()
def identity_code(model: Path, face: np.ndarray, size: int, device: torch.device) -> Tensor:
    """Return the code (dim,) of a face, uint8 (size, size, 3), in the space of the identity student.

    `model` is the folder `model` of a run. A model that was copied out of its run has no teacher.
    Raises RunFolderError then, InputError if the picture has another shape.
    """
    wanted = (size, size, 3)
    if face.dtype != np.uint8 or face.shape != wanted:
        raise InputError(f"the face is {face.dtype} {face.shape}, not uint8 {wanted}")
    teacher = _teacher(model.parent).to(device).eval()
    code: Tensor = teacher(to_images(torch.from_numpy(face)[None].to(device)))[0]
    return code.float()


def _teacher(run: Path) -> Any:
    """Build the run's identity teacher, with the weights that it was trained to or came with."""
    if not (run / "recipe.yaml").is_file() or not (run / "stages").is_dir():
        raise RunFolderError(
            f"{run}: the identity of a picture is found by the identity teacher, which a model does not hold",
            hint="name the run folder instead, or choose an identity by name or from speech",
        )
    try:
        recipe = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
        options = recipe["teachers"]["identity"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{run / 'recipe.yaml'}: names no identity teacher, so no picture can be asked for"
        ) from error
    found = registry()
    slot = read_slot("teacher", options, found)
    size, labels = _data(run)
    teacher = found.get(slot.kind, slot.use).load()(slot.options, size=size, labels=labels)
    if not teacher.pretrained:
        load_modules(_weights(run), {_PART: teacher})
    return teacher


def _data(run: Path) -> tuple[int, tuple[str, ...]]:
    data = read_config(read_json(run / "model" / "config.json"), str(run / "model")).data
    return data.size, data.labels.get("identity", ())


def _weights(run: Path) -> Path:
    """Find the weights that a stage of the run left of its identity teacher."""
    from safetensors import safe_open

    for path in sorted(run.glob("stages/*/weights.safetensors")):
        with safe_open(path, framework="pt") as held:
            if any(key.startswith(f"{_PART}/") for key in held.keys()):  # noqa: SIM118 (no mapping)
                return path
    raise RunFolderError(
        f"{run}: no stage has left weights of its identity teacher", hint="run its recipe again"
    )
