"""What the adversarial stage must find in a batch."""

from __future__ import annotations

from s2vkit import Graph, RecipeError
from s2vkit_stages import AdversarialOptions

_NEEDED = {"features": "mismatched", "identity_maps": "maps", "stills": "stills"}


def needs_of(options: AdversarialOptions, graph: Graph) -> frozenset[str]:
    """Name what the generator, the discriminators and the terms of the loss need."""
    needs = {"frames", "features", "codes", *graph.wants}
    needs |= {"around"} if graph.reach else set()
    needs |= {"stills"} if options.losses.still else set()
    wanted = {want for discriminator in graph.discriminators.values() for want in discriminator.wants}
    needs |= {need for want, need in _NEEDED.items() if want in wanted}
    if options.losses.perceptual.weight:
        if not getattr(graph.teachers.get("identity"), "map_shapes", []):
            raise RecipeError(
                "stage 'adversarial': the perceptual term has no teacher's maps to compare",
                hint="name an identity teacher that gives maps, or leave the term out",
            )
        needs.add("maps")  # so that this stage depends on the teacher
    return frozenset(needs)


def check_window(options: AdversarialOptions, graph: Graph) -> None:
    """Raise RecipeError where runs of frames are wanted but not drawn."""
    if options.frames % options.window:
        raise RecipeError(
            f"stage 'adversarial': {options.frames} frames are no whole number of windows of "
            f"{options.window}",
            hint="make `frames` a multiple of `window`",
        )
    for name, discriminator in graph.discriminators.items():
        if "windows" in discriminator.wants and options.window == 1:
            raise RecipeError(
                f"discriminator '{name}' scores runs of frames, but single ones are drawn",
                hint="give the adversarial stage e.g. `window: 5` and `frames: 5`",
            )
