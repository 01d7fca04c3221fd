"""The model that a run leaves: what hears and draws, without teachers or discriminators."""

from __future__ import annotations

from pathlib import Path

from s2vkit.build import Builder, ModelSpec, load_model_spec, model_spec_of
from s2vkit.engine.checkpoint import load_modules, save_modules
from s2vkit.errors import RunFolderError
from s2vkit.files import atomic_folder, read_json, recover_folder, write_json
from s2vkit.interfaces.graph import Graph
from s2vkit.recipe.load import recipe_from_data
from s2vkit.recipe.schema import Recipe
from s2vkit.registry import Registry

FORMAT = 2
_HEARS_AND_DRAWS = ("encoder", "student", "generator")


def save_model(folder: Path, graph: Graph, data: dict[str, object], version: str) -> None:
    """Write the inference half of a graph: weights, sizes and the recipe it came from."""
    modules = {k: m for k, m in graph.modules().items() if k.split(".")[0] in _HEARS_AND_DRAWS}
    sizes = model_spec_of(graph).dump()
    about = {
        "format": FORMAT,
        "s2vkit": version,
        "sizes": sizes,
        "recipe": data,
        "encoder": dict(getattr(graph.encoder, "as_built", {})),
    }
    with atomic_folder(folder) as part:
        save_modules(part / "model.safetensors", modules)
        write_json(part / "model.json", about)


def load_model(run: Path, registry: Registry) -> tuple[Graph, Recipe]:
    """Build the inference graph of a finished run and load its weights.

    Raises RunFolderError where the folder is no run, an unfinished one, or of another version.
    """
    check_run(run)
    folder = run / "model"
    if not recover_folder(folder):
        raise RunFolderError(
            f"{run}: this run has no finished model yet",
            hint="run its recipe again; it goes on from its last checkpoint",
        )
    about = read_json(folder / "model.json")
    if not isinstance(about, dict) or not {"format", "recipe", "sizes"} <= set(about):
        raise RunFolderError(
            f"{folder}: damaged: it has no readable model.json",
            hint="delete the folder and run the recipe again; it is written anew",
        )
    _check_format(run, about["format"])
    recipe = recipe_from_data(_as_built(about["recipe"], about.get("encoder", {})), registry)
    sizes: ModelSpec = load_model_spec(about["sizes"])
    graph = Builder(recipe, registry).listener(sizes)
    load_modules(folder / "model.safetensors", graph.modules())
    return graph, recipe


def check_run(run: Path) -> None:
    """Raise RunFolderError unless the folder is a run of this format."""
    if not run.is_dir():
        raise RunFolderError(
            f"{run}: no such run folder", hint="`s2vkit run RECIPE` makes one, named by `output:`"
        )
    about = read_json(run / "run.json")
    if about is None:
        raise RunFolderError(f"{run}: not a run folder: it has no readable run.json")
    _check_format(run, about.get("format") if isinstance(about, dict) else None)


def _check_format(run: Path, found: object) -> None:
    if found != FORMAT:
        raise RunFolderError(
            f"{run}: made by another version of s2vkit (format {found}, this one reads {FORMAT})",
            hint="use the version that made it, or run the recipe again into another `output:`",
        )


def _as_built(data: dict[str, dict[str, object]], encoder: dict[str, object]) -> dict[str, dict[str, object]]:
    """Put the encoder's own layout in the place of its file of first weights; so the generator's.

    The run's own weights are loaded over it, so a model needs no other file.
    """
    kept = {k: v for k, v in data["audio_encoder"].items() if k != "checkpoint"}
    drawer = {k: v for k, v in data["generator"].items() if k != "checkpoint"}
    return {**data, "audio_encoder": {**kept, **encoder}, "generator": drawer}
