"""A bundle: the folder of a trained model, which stands alone; config.json and model.safetensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from s2vkit.errors import RunFolderError
from s2vkit.files import atomic_folder, read_json, recover_folder, write_json
from s2vkit.inference.assembly import ModelSlots, build_inference_graph, encoders_within
from s2vkit.inference.codes import LabelCodes, from_tensors, to_tensors
from s2vkit.inference.config import BundleConfig, read_config, write_config
from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.interfaces.inference_graph import InferenceGraph
from s2vkit.interfaces.specs import ModelSpec
from s2vkit.options import Slot
from s2vkit.registry import Registry
from s2vkit.settings import Alignment
from s2vkit.tensors import fit, module_tensors, read_tensors, under, write_tensors

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_AGAIN = "copy the model again, or delete it and run its recipe again"


@dataclass(frozen=True)
class Bundle:
    """A trained model as it was read."""

    folder: Path
    graph: InferenceGraph
    config: BundleConfig
    codes: LabelCodes = field(default_factory=dict)  # of the labels that can be asked for


def save_bundle(
    folder: Path,
    graph: InferenceGraph,
    slots: ModelSlots,
    spec: ModelSpec,
    alignment: Alignment,
    registry: Registry,
    version: str,
    codes: LabelCodes | None = None,
    watermark: Slot | None = None,
) -> None:
    """Write the parts of a graph that turn speech into frames, whole or not at all.

    `codes` are those of the labels that can be asked for in the place of what is heard,
    `watermark` is the mark of the videos that the model will make.
    """
    modules = graph.inference_modules()
    alone = {name: _without_files(slot, modules[name]) for name, slot in slots.named().items()}
    if watermark is not None:
        alone["watermark"] = watermark
    config = write_config(alone, spec, alignment, registry, version)
    with atomic_folder(folder) as part:
        write_tensors({**module_tensors(modules), **to_tensors(codes or {})}, part / _WEIGHTS)
        write_json(part / _CONFIG, config)


def load_bundle(path: Path, registry: Registry | None = None) -> Bundle:
    """Build the model of a bundle, or of a finished run, and load its weights.

    Without a registry, the plugins that the bundle names are loaded, and no others. Raises
    RunFolderError if the folder is neither or is damaged, PluginError if a plugin is missing.
    """
    folder = find_bundle(path)
    config = read_config(read_json(folder / _CONFIG), str(folder))
    registry = registry or config.find_plugins()

    def build(name: str, slot: Slot, **sizes: Any) -> Any:
        return registry.get(slot.kind, slot.use).load()(slot.options, **sizes)

    try:
        slots = config.slots(registry)
    except ValidationError as error:
        raise RunFolderError(
            f"{folder}: the installed plugins do not take these options: {error}",
            hint="install the versions that config.json names under `plugins`",
        ) from error
    with torch.random.fork_rng(devices=[]):  # first weights are drawn, and replaced at once
        graph = build_inference_graph(slots, config.spec, build)
    path, tensors = folder / _WEIGHTS, read_tensors(folder / _WEIGHTS, hint=_AGAIN)
    for name, module in graph.inference_modules().items():
        fit(module, under(tensors, f"{name}/"), path, name, hint=_AGAIN)
    return Bundle(folder, graph, config, from_tensors(tensors, config.codes, path))


def find_bundle(path: Path) -> Path:
    """Find the bundle of a path: itself, or the model of a run. Raises RunFolderError."""
    path = Path(path).expanduser()
    if not path.is_dir():
        raise RunFolderError(
            f"{path}: no such run or model folder", hint="`s2vkit run RECIPE` makes one, named by `output:`"
        )
    if (path / _WEIGHTS).is_file() or (path / _CONFIG).is_file():
        return path
    if recover_folder(path / "model"):
        if (path / "model" / "model.json").is_file():
            raise RunFolderError(
                f"{path}: written by an older version of s2vkit, whose models are not supported any more",
                hint="use the version that wrote it, or run its recipe again into a new folder",
            )
        return path / "model"
    if read_json(path / "run.json") is None:
        raise RunFolderError(f"{path}: neither a run folder nor a model: no run.json, no config.json")
    raise RunFolderError(
        f"{path}: this run has no finished model yet",
        hint="run its recipe again; it goes on from its last checkpoint",
    )


def _without_files(slot: Slot, module: nn.Module) -> Slot:
    """Put a part's own layout in the place of its file of first weights.

    The model's weights are loaded over it, so it needs no other file. Encoders within an encoder
    are its submodules, by the option's name.
    """
    inner = {k: _without_files(v, module.get_submodule(k)) for k, v in encoders_within(slot).items()}
    layout = module.as_built if isinstance(module, AudioEncoder) else {}
    fields = type(slot.options).model_fields
    optional = "checkpoint" in fields and not fields["checkpoint"].is_required()
    unset = {"checkpoint": fields["checkpoint"].get_default(call_default_factory=True)} if optional else {}
    return Slot(slot.kind, slot.use, slot.options.model_copy(update={**unset, **layout, **inner}))
