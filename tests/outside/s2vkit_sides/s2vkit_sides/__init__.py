"""The dataset aged_squares and the discriminator loud_frames: their registration. No torch here."""

from __future__ import annotations

from s2vkit import Field, Options, Register, hookimpl


class AgedSquaresOptions(Options):
    """Options of aged_squares."""

    size: int = Field(default=32, ge=32, description="height and width of the frames")


class LoudFramesOptions(Options):
    """Options of loud_frames."""

    channels: int = Field(default=4, ge=1, description="channels of the first layer")


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register both."""
    register(
        "dataset",
        "aged_squares",
        "s2vkit_sides.dataset:AgedSquares",
        AgedSquaresOptions,
        gives=("speech", "frames", "identity", "emotion", "age"),
        summary="coloured squares of two speakers, two emotions and two ages",
    )
    register(
        "discriminator",
        "loud_frames",
        "s2vkit_sides.discriminator:LoudFrames",
        LoudFramesOptions,
        wants=("frames",),
        summary="scores frames together with the loudness of their speech",
    )
