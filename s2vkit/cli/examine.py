"""Examining the machine, for `s2vkit doctor`."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_GIB = 2**30
_MIN_DISK = 1 * _GIB
_REQUIREMENT = re.compile(r"([\w.-]+)[^;]*(;.*extra.*)?")
CODECS = ("h264", "aac")
EXTRAS = {"synthetic: eSpeak NG's voices": "espeakng_loader"}


def examine() -> dict[str, Any]:
    """Examine everything; imports torch and av.

    `{machine, packages, devices, choices, codecs, extras, plugins: {name: fact},
    failures: [{owner, error}], missing: [what s2vkit cannot work without]}`
    """
    from s2vkit.plugins import registry

    packages = {name: _version(name) for name in needed_packages()}
    found = {
        "machine": _machine(),
        "packages": {"s2vkit": _version("s2vkit"), **packages},
        "devices": _devices(),
        "choices": _choices(),
        "codecs": _codecs(),
        "extras": {name: find_spec(module) is not None for name, module in EXTRAS.items()},
        "plugins": dict(registry().owners),
        "failures": [{"owner": f.owner, "error": f.error} for f in registry().failures],
    }
    return {**found, "missing": list(_missing(found))}


def needed_packages() -> list[str]:
    """List the distributions that s2vkit says it needs, extras aside."""
    try:
        asked = requires("s2vkit") or []
    except PackageNotFoundError:
        return []
    matches = [_REQUIREMENT.match(line) for line in asked]
    return sorted(m.group(1) for m in matches if m and not m.group(2))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _machine() -> dict[str, Any]:
    disk = shutil.disk_usage(Path.cwd())
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "free disk GiB": round(disk.free / _GIB, 1),
    }


def _devices() -> dict[str, Any]:
    try:
        import torch
    except Exception as error:  # a broken torch is what the doctor is asked about
        return {"torch": f"cannot be imported: {type(error).__name__}: {error}"}
    found: dict[str, Any] = {"cpu": torch.backends.cpu.get_cpu_capability()}
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        found[f"cuda:{index}"] = f"{facts.name}, {facts.total_memory / _GIB:.0f} GiB"
    if torch.backends.mps.is_available():
        found["mps"] = "Apple GPU"
    return found


def _choices() -> dict[str, str]:
    """Return what a recipe's `compute: auto` means on this machine."""
    try:
        from s2vkit.device import choose
        from s2vkit.settings import Compute

        policy = choose(Compute())
    except Exception as error:  # a broken torch is named among the devices
        return {"device": f"none: {type(error).__name__}: {error}"}
    return {
        "device": str(policy.device),
        "precision": policy.precision,
        "layout": "channels last" if policy.channels_last else "channels first",
        "compile": _compiles(str(policy.device)) if policy.compile else "no: it gains little here",
    }


def _compiles(device: str) -> str:
    """Return whether torch.compile works on a device, by compiling something small."""
    import torch

    from s2vkit.engine.compilation import BACKEND, reason_of

    try:
        torch.compile(lambda x: (x * 2).relu(), backend=BACKEND)(torch.ones(8, device=device))
    except Exception as error:
        return f"no: {reason_of(error)}"
    return "yes"


def _codecs() -> dict[str, bool]:
    try:
        from av.codec.codec import Codec
    except Exception:
        return dict.fromkeys([f"{c} {way}" for c in CODECS for way in ("read", "write")], False)
    return {
        f"{name} {way}": _has_codec(Codec, name, mode)
        for name in CODECS
        for way, mode in (("read", "r"), ("write", "w"))
    }


def _has_codec(make: Any, name: str, mode: str) -> bool:
    try:
        make(name, mode)
    except Exception:
        return False
    return True


def _missing(found: dict[str, Any]) -> Iterable[str]:
    yield from (f"package {name}" for name, at in found["packages"].items() if at is None)
    if "torch" in found["devices"]:
        yield f"torch {found['devices']['torch']}"
    yield from (f"codec {name}" for name, there in found["codecs"].items() if not there)
    if found["machine"]["free disk GiB"] * _GIB < _MIN_DISK:
        yield "disk: less than 1 GiB is free here"
    if not found["plugins"]:
        yield "plugins: none is installed"
