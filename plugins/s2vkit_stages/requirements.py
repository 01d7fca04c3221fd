"""What the adversarial stage must find in a batch, and which frozen networks it runs."""

from __future__ import annotations

from dataclasses import replace

from s2vkit import BatchField, Features, Frames, Graph, Mismatched, RecipeError, ReferenceImages, Summary
from s2vkit_stages import AdversarialOptions


def fields_of(options: AdversarialOptions, graph: Graph) -> tuple[BatchField, ...]:
    """Gather the fields that the generator, the discriminators and the terms of the loss need."""
    frames = Frames(options.frames, options.window)
    found: list[BatchField] = [frames, Features(), Summary(), *graph.generator_fields()]
    for discriminator in graph.discriminators.values():
        found += [_with_gap(field, options.gap) for field in discriminator.fields]
    if options.losses.reference:
        found.append(ReferenceImages())
    return tuple(dict.fromkeys(found))


def _with_gap(field: BatchField, gap: int) -> BatchField:
    return replace(field, gap=gap) if isinstance(field, Mismatched) else field


def used_modules(options: AdversarialOptions, graph: Graph) -> tuple[str, ...]:
    """Name the students, and the teacher whose maps the perceptual term compares."""
    students = tuple(f"student.{side}" for side in graph.students)
    if not options.losses.perceptual.weight:
        return students
    teacher = graph.teachers.get("identity")
    if teacher is None or not teacher.map_shapes:
        raise RecipeError(
            "stage 'adversarial': the perceptual term has no teacher's maps to compare",
            hint="name an identity teacher that gives maps, or leave the term out",
        )
    return (*students, "teacher.identity")


def check_window(options: AdversarialOptions, graph: Graph) -> None:
    """Raise RecipeError if runs of frames are wanted but not drawn."""
    if options.frames % options.window:
        raise RecipeError(
            f"stage 'adversarial': {options.frames} frames are no whole number of windows of "
            f"{options.window}",
            hint="make `frames` a multiple of `window`",
        )
    for name, discriminator in graph.discriminators.items():
        if discriminator.runs and options.window == 1:
            raise RecipeError(
                f"discriminator '{name}' scores runs of frames, but single ones are sampled",
                hint="give the adversarial stage e.g. `window: 5` and `frames: 5`",
            )
