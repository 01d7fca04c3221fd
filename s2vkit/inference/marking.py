"""The marks of a model's videos: the watermark that its bundle names, and a signature."""

from __future__ import annotations

from pathlib import Path

from s2vkit import __version__
from s2vkit.errors import ResourceError
from s2vkit.files import read_json
from s2vkit.inference.bundle import find_bundle
from s2vkit.inference.config import read_config
from s2vkit.interfaces.watermark import Watermark
from s2vkit.marking.credentials import local_credentials, read_credentials
from s2vkit.marking.manifest import Maker, maker_of
from s2vkit.marking.marker import Marker
from s2vkit.marking.signing import MISSING, FileSigner, can_sign
from s2vkit.options import Slot
from s2vkit.plugins import registry as installed
from s2vkit.registry import Registry

DEFAULT = "spread_spectrum"
NOT_MARKED = "videos are not marked as generated (--no-mark): neither watermarked nor signed"


def marker_of(
    path: Path, registry: Registry | None = None, *, sign_with: tuple[Path, Path] | None = None
) -> Marker:
    """Return what marks the videos of a run's model or a bundle.

    Raises InputError if `sign_with`, certificates and their key, cannot be used, and
    ResourceError if they are given and c2pa-python is missing.
    """
    folder = find_bundle(path)
    watermark = _watermark(folder, registry)
    signer, notes = _signer(sign_with)
    if watermark is None:
        notes.append("the videos have no watermark: no plugin that brings one is installed")
    return Marker(_maker(folder), watermark, signer, tuple(notes))


def default_watermark(registry: Registry) -> Slot | None:
    """Return the watermark of models that name none; None if its plugin is not installed."""
    entry = registry.entries.get(("watermark", DEFAULT))
    return Slot("watermark", entry.name, entry.options()) if entry else None


def _maker(folder: Path) -> Maker:
    return maker_of(folder / "model.safetensors", folder.parent / "recipe.yaml", __version__)


def _watermark(folder: Path, registry: Registry | None) -> Watermark | None:
    config = read_config(read_json(folder / "config.json"), str(folder))
    registry = registry or (config.find_plugins() if "watermark" in config.components else installed())
    slot = config.watermark(registry) or default_watermark(registry)
    if slot is None:
        return None
    made: Watermark = registry.get(slot.kind, slot.use).load()(slot.options)
    return made


def _signer(sign_with: tuple[Path, Path] | None) -> tuple[FileSigner | None, list[str]]:
    if not can_sign():
        if sign_with is not None:
            raise ResourceError(f"--sign-with: {MISSING}")
        return None, [f"the videos are watermarked but not signed: {MISSING}"]
    try:
        return FileSigner(read_credentials(*sign_with) if sign_with else local_credentials()), []
    except OSError as error:
        return None, [f"the videos are watermarked but not signed: no certificate can be kept: {error}"]


def known_watermarks(model: Path | None = None) -> dict[str, Watermark]:
    """Build every installed watermark with its default options, and that of a model if one is given."""
    registry = installed()
    found = {e.name: e.load()(e.options()) for e in registry.of_kind("watermark")}
    own = _watermark(find_bundle(model), None) if model else None
    return {"of the model": own, **found} if own else found


def model_bits(model: Path) -> int:
    """Return the bits that a model's watermark holds."""
    folder = find_bundle(model)
    return Marker(_maker(folder), _watermark(folder, None), None).payload
