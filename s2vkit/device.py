"""Where and how to compute: device, precision, memory format, compilation."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from s2vkit.errors import ResourceError
from s2vkit.recipe.schema import Compute


@dataclass(frozen=True)
class Policy:
    """The choices made for this machine."""

    device: torch.device
    bf16: bool
    channels_last: bool
    compile: bool

    def __str__(self) -> str:
        how = ["bf16" if self.bf16 else "fp32"]
        how += ["channels_last"] * self.channels_last + ["compiled"] * self.compile
        return f"{self.device} ({', '.join(how)})"

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Compute in the chosen precision."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            yield

    def place(self, module: nn.Module) -> nn.Module:
        """Move a module to the device, its images laid out as chosen."""
        module.to(self.device)
        if self.channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return module

    def place_all(self, modules: Mapping[str, nn.Module], *, training: Container[str] = ()) -> None:
        """Place modules; those in `training` are to train, all others are frozen and in eval mode."""
        for name, module in modules.items():
            trains = name in training
            self.place(module).train(trains).requires_grad_(trains)

    def scaler(self) -> torch.amp.GradScaler:
        """Give what scales losses; without fp16 it does nothing."""
        return torch.amp.GradScaler(self.device.type, enabled=False)


def choose(compute: Compute) -> Policy:
    """Decide what `auto` means here. Raises ResourceError where a named device is absent."""
    device = _device(compute.device)
    cuda = device.type == "cuda"
    bf16 = {"bf16": True, "fp32": False}.get(compute.precision, _bf16_pays(device))
    channels_last = {"always": True, "never": False}.get(compute.channels_last, cuda or bf16)
    compiled = {"always": True, "never": False}.get(compute.compile, cuda)
    if device.type == "cpu":
        _keep_freed_memory()
        torch.set_num_threads(compute.threads or usable_cores())
    return Policy(device, bf16, channels_last, compiled)


@cache
def _keep_freed_memory() -> None:
    """Have glibc keep what is freed: else every large tensor is mapped and zeroed anew.

    Saves a tenth of a training step on a CPU. Elsewhere than on glibc nothing happens.
    """
    trim_threshold, mmap_threshold = -1, -3  # of malloc.h
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 32 << 20)  # the most it takes
        mallopt(trim_threshold, 1 << 30)


def facts_of(policy: Policy) -> dict[str, object]:
    """Say on what a run computes, for its run.json."""
    found: dict[str, object] = {"computed_on": str(policy), "cores": usable_cores()}
    if policy.device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(policy.device)
    return found


def usable_cores() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _device(wish: str) -> torch.device:
    if wish != "auto":
        device = torch.device(wish)
        if device.type == "cuda" and not torch.cuda.is_available():
            raise ResourceError(
                f"compute.device is '{wish}' but torch finds no CUDA device",
                hint="say `auto` or `cpu`; `s2vkit doctor` shows what there is",
            )
        return device
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _bf16_pays(device: torch.device) -> bool:
    """Say whether bf16 is faster: on a CPU the casts cost more than small networks gain."""
    return device.type == "cuda" and torch.cuda.is_bf16_supported()
