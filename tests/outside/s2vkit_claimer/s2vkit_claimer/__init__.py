"""A plugin that claims a name that is ours, after one that is free: it gets neither."""

from __future__ import annotations

from s2vkit import Register, hookimpl


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register a free name and a taken one."""
    register("teacher", "claimed_free", "s2vkit_claimer.part:Free", gives=("embedding",))
    register("teacher", "vggface", "s2vkit_claimer.part:Mine", gives=("embedding",))
