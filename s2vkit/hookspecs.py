"""The hooks a plugin may implement. Importing a plugin registers nothing; a hook does."""

from __future__ import annotations

from typing import Protocol

import pluggy

from s2vkit.checkpoints import Carrier, Checkpoint
from s2vkit.options import Better, Options

PROJECT = "s2vkit"
ENTRY_POINT_GROUP = "s2vkit.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    """The callback that `s2vkit_register` is handed; call it once a component."""

    def __call__(
        self,
        kind: str,
        name: str,
        target: str,
        options: type[Options] = ...,
        *,
        gives: tuple[str, ...] = ...,
        wants: tuple[str, ...] = ...,
        summary: str = ...,
        reference: str = ...,
        checkpoints: tuple[Checkpoint, ...] = ...,
        better: Better = ...,
        carriers: tuple[Carrier, ...] = ...,
    ) -> None:
        """Register a component; see `s2vkit.registry.Registry.add` for the arguments."""


class RegisterCommand(Protocol):
    """The callback that `s2vkit_commands` is handed; call it once a command."""

    def __call__(self, name: str, target: str, summary: str) -> None:
        """Add `s2vkit NAME`, a click command found at `target` ("module:attr")."""


@hookspec
def s2vkit_register(register: Register) -> None:
    """Register components: kind, name, "module:attr" and option model. Must not import torch."""


@hookspec
def s2vkit_commands(register: RegisterCommand) -> None:
    """Add commands to the command line. Must not import torch."""
