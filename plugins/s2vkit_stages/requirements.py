"""What the adversarial stage must find in a batch, and which frozen networks it runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from s2vkit import (
    BatchField,
    Discriminator,
    FeatureField,
    Features,
    Frames,
    Graph,
    IdentityMaps,
    RecipeError,
    ReferenceImages,
    Summary,
)
from s2vkit_stages.adversarial_options import AdversarialOptions


def fields_of(options: AdversarialOptions, graph: Graph) -> tuple[BatchField, ...]:
    """Gather the fields that the generator, the discriminators and the terms of the loss need."""
    frames = Frames(options.frames, options.window)
    found: list[BatchField] = [frames, Features(), Summary(), *graph.generator_fields()]
    for discriminator in graph.discriminators.values():
        found += [with_gap(field, options.gap) for field in discriminator.fields]
    teacher = graph.teachers.get("identity")
    if options.losses.identity_maps.weight and teacher is not None and teacher.map_shapes:
        found.append(IdentityMaps())
    if options.losses.reference:
        found.append(ReferenceImages())
    if reference := graph.reference:  # discriminators are shown what the generator is
        own = ReferenceImages(reference)
        found = [own if isinstance(field, ReferenceImages) else field for field in found]
    return tuple(dict.fromkeys(with_variants(field, options.variants) for field in found))


def with_variants(field: BatchField, variants: int) -> BatchField:
    """Let a field that reads features take them of so many versions of the speech, too."""
    return replace(field, variants=variants) if isinstance(field, FeatureField) else field


def with_gap(field: BatchField, gap: int) -> BatchField:
    """Let a field that brings mismatches take them at least `gap` frames away."""
    return replace(field, gap=gap) if "gap" in field.sampling() else field  # type: ignore[call-arg]


def used_modules(options: AdversarialOptions, graph: Graph) -> tuple[str, ...]:
    """Name the students, the landmarks, and the teacher whose maps the perceptual term compares."""
    used = tuple(f"student.{side}" for side in graph.students)
    if graph.generator is not None and graph.generator.sees_mouths:
        used = (*used, "landmarks")
    if not options.losses.perceptual.weight:
        return used
    teacher = graph.teachers.get("identity")
    if teacher is None or not teacher.map_shapes:
        raise RecipeError(
            "stage 'adversarial': the perceptual term has no teacher's maps to compare",
            hint="name an identity teacher that gives maps, or leave the term out",
        )
    return (*used, "teacher.identity")


def check_shares(options: AdversarialOptions, graph: Graph, terms: Collection[str]) -> list[str]:
    """Name the terms of frames that shares of the gradient go by; raise RecipeError if they cannot."""
    found = [name for name in terms if name not in ("identity_maps", "reference", "feature_matching")]
    for name in options.shares:
        discriminator = graph.discriminators.get(name)
        maps = discriminator is not None and "identity_maps" in discriminator.input_names()
        if maps or not found:
            why = "scores identity maps, not frames" if maps else "has no other term of frames beside it"
            raise RecipeError(
                f"stage 'adversarial': `shares` names discriminator '{name}', which {why}",
                hint=f"give it a fixed weight, `weights: {{{name}: 1}}`",
            )
    return found


def check_window(options: AdversarialOptions, graph: Graph) -> None:
    """Raise RecipeError if runs of frames are wanted but not drawn."""
    if options.frames % options.window:
        raise RecipeError(
            f"stage 'adversarial': {options.frames} frames are no whole number of windows of "
            f"{options.window}",
            hint="make `frames` a multiple of `window`",
        )
    for name, discriminator in graph.discriminators.items():
        check_run_length(name, discriminator, options.window)
        if discriminator.runs and options.window == 1:
            raise RecipeError(
                f"discriminator '{name}' scores runs of frames, but single ones are sampled",
                hint="give the adversarial stage e.g. `window: 5` and `frames: 5`",
            )


def check_mouths(graph: Graph) -> None:
    """Raise RecipeError if the generator sees mouths and nothing measures them."""
    if graph.generator is not None and graph.generator.sees_mouths and graph.landmarks is None:
        raise RecipeError(
            "stage 'adversarial': the generator is shown what landmarks measure, but the recipe names none",
            hint="add `landmarks: face_mesh` (or another), or leave `mouth: landmarks` out",
        )


def check_run_length(name: str, discriminator: Discriminator, window: int) -> None:
    """Raise RecipeError if the runs that are drawn cannot be divided into those that are scored."""
    length = discriminator.run_length
    if length and window % length:
        raise RecipeError(
            f"discriminator '{name}' scores runs of {length} frames, but runs of {window} are drawn",
            hint=f"give the stage `window: {length}`, or the discriminator `frames: {window}`",
        )
