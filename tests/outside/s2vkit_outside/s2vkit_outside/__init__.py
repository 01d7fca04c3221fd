"""The teacher tiny_outside and a command: their registration. No torch here."""

from __future__ import annotations

from s2vkit import Field, Options, Register, RegisterCommand, hookimpl


class TinyOutsideOptions(Options):
    """Options of tiny_outside, as a recipe may set them."""

    dim: int = Field(default=32, ge=1, description="size of the embedding")


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register tiny_outside."""
    register(
        "teacher",
        "tiny_outside",
        "s2vkit_outside.part:TinyOutside",
        TinyOutsideOptions,
        gives=("embedding", "maps"),
        summary="a small teacher from outside",
        reference="none",
    )


@hookimpl
def s2vkit_commands(register: RegisterCommand) -> None:
    """Add `s2vkit hello`."""
    register("hello", "s2vkit_outside.hello:hello", "Greet from outside.")
    register("lost", "s2vkit_outside.nowhere:lost", "Is not there.")
