"""What config.json of a bundle says: the model's components, sizes and plugins. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import ValidationError

from s2vkit.errors import RunFolderError
from s2vkit.inference.assembly import ModelSlots
from s2vkit.interfaces.specs import DataSpec, ModelSpec
from s2vkit.options import Field, Options, Slot, dump_options, slot_fields
from s2vkit.plugins import Origin, load_named, origin_of
from s2vkit.registry import Registry
from s2vkit.settings import Alignment

FORMAT = 1
KINDS = {"encoder": "audio_encoder", "student": "student", "generator": "generator", "watermark": "watermark"}

Size = Annotated[int, Field(ge=1, le=65536)]
Rate = Annotated[float, Field(gt=0.0, le=1e6)]
Hertz = Annotated[int, Field(ge=1, le=10**6)]


class DataConfig(Options):
    """The data that a model was trained on."""

    size: Size = Field(description="height and width of the frames")
    fps: Rate = Field(description="frames a second")
    sample_rate: Hertz = Field(description="of the sound, in Hz")
    labels: dict[str, tuple[str, ...]] = Field(description="the classes of each label")


class BundleConfig(Options):
    """config.json of a bundle."""

    format: int = Field(description="the version of the bundle's format")
    s2vkit: str = Field(description="the version that wrote it")
    plugins: dict[str, Origin] = Field(description="the plugins of its components, and their distributions")
    components: dict[str, dict[str, Any]] = Field(
        description="encoder, student.SIDE, generator and watermark, in full"
    )
    data: DataConfig = Field(description="frame size, rates and labels of the data")
    codes: dict[str, Size] = Field(description="size of each side's code")
    map_shapes: list[tuple[Size, Size, Size]] = Field(description="of the identity maps: (C, h, w)")
    alignment: Alignment = Field(description="how speech features are aligned with video frames")

    @property
    def spec(self) -> ModelSpec:
        """Return the sizes that the components are built with."""
        data = DataSpec(self.data.size, self.data.fps, self.data.sample_rate, self.data.labels)
        return ModelSpec(data, dict(self.codes), list(self.map_shapes))

    def find_plugins(self) -> Registry:
        """Load the plugins of its components alone. Raises PluginError that names a missing one."""
        return load_named(self.plugins)

    def slots(self, registry: Registry) -> ModelSlots:
        """Find the components and check their options. Raises PluginError, ValidationError."""
        found = {
            name: read_slot(KINDS[name.partition(".")[0]], data, registry)
            for name, data in self.components.items()
            if name != "watermark"
        }
        sides = [name for name in found if name.startswith("student.")]
        students = {name.removeprefix("student."): found[name] for name in sides}
        return ModelSlots(found["encoder"], students, found["generator"])

    def watermark(self, registry: Registry) -> Slot | None:
        """Return the watermark of its videos; None if it was saved without one."""
        data = self.components.get("watermark")
        return None if data is None else read_slot("watermark", data, registry)


def write_config(
    slots: Mapping[str, Slot], spec: ModelSpec, alignment: Alignment, registry: Registry, version: str
) -> dict[str, Any]:
    """Put into plain data what `read_config` reads."""
    data = {**vars(spec.data), "labels": {k: list(v) for k, v in spec.data.labels.items()}}
    owners = sorted({owner for slot in slots.values() for owner in _owners(slot, registry)})
    origins = dict(map(origin_of, owners))
    return {
        "format": FORMAT,
        "s2vkit": version,
        "plugins": {name: dump_options(origin) for name, origin in origins.items()},
        "components": {name: _plain(slot.dump()) for name, slot in slots.items()},
        "data": data,
        "codes": spec.codes,
        "map_shapes": [list(shape) for shape in spec.map_shapes],
        "alignment": dump_options(alignment),
    }


def read_config(data: object, name: str) -> BundleConfig:
    """Check what config.json holds; raises RunFolderError that says what is wrong with it."""
    if not isinstance(data, dict) or "format" not in data:
        raise RunFolderError(
            f"{name}: damaged: it has no readable config.json",
            hint="copy the model again, or delete it and run its recipe again",
        )
    if data["format"] != FORMAT:
        raise RunFolderError(
            f"{name}: a model of format {data['format']!r}, and this version of s2vkit reads {FORMAT}",
            hint="use the version that wrote it, or run its recipe again into a new folder",
        )
    try:
        config = BundleConfig.model_validate(data)
    except ValidationError as error:
        raise _wrong(name, "; ".join(_problems(error))) from error
    sides = {part.partition(".")[2] for part in config.components if part.startswith("student.")}
    unknown = {part for part in config.components if part.partition(".")[0] not in KINDS}
    if lacking := {"encoder", "generator"} - config.components.keys():
        raise _wrong(name, f"components lacks {', '.join(sorted(lacking))}")
    if unknown := unknown | (sides - config.codes.keys()):
        raise _wrong(name, f"no such component or code: {', '.join(sorted(unknown))}")
    return config


def read_slot(kind: str, data: Mapping[str, Any], registry: Registry) -> Slot:
    """Build a slot from what `Slot.dump` gave, slots within it too."""
    values = dict(data)
    entry = registry.get(kind, str(values.pop("use", "")))
    for name, place in slot_fields(entry.options).items():
        inner = values.get(name)
        if place.many and isinstance(inner, dict):
            values[name] = {k: read_slot(place.of.kind, v, registry) for k, v in inner.items()}
        elif isinstance(inner, dict):
            values[name] = read_slot(place.of.kind, inner, registry)
    return Slot(kind, entry.name, entry.options.model_validate(values))


def _owners(slot: Slot, registry: Registry) -> set[str]:
    """Name the plugins of a slot's component and of those within it."""
    owners = {registry.get(slot.kind, slot.use).owner}
    for name, place in slot_fields(type(slot.options)).items():
        value = getattr(slot.options, name)
        inner = list(value.values()) if place.many and value else [value]
        owners |= {owner for one in inner if isinstance(one, Slot) for owner in _owners(one, registry)}
    return owners


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, PurePath) else value


def _wrong(name: str, what: str) -> RunFolderError:
    return RunFolderError(
        f"{name}: config.json does not describe a model: {what}",
        hint="copy the model again, or delete it and run its recipe again",
    )


def _problems(error: ValidationError) -> list[str]:
    return [f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors()[:5]]
