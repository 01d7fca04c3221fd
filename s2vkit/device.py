"""Where and how to compute: device, precision, memory layout, compilation."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import Protocol

import torch
from torch import nn

from s2vkit.errors import RecipeError, ResourceError
from s2vkit.settings import DEVICE, Compute

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"  # what cuBLAS wants before it computes the same twice
_DETERMINISTIC_CUBLAS = (":4096:8", ":16:8")


class MayBePrecise(Protocol):
    """What says whether it had better be computed in fp32, as a stage does."""

    precise: bool


@dataclass(frozen=True)
class Policy:
    """The choices that suit this machine."""

    device: torch.device
    precision: str = "fp32"  # or "bf16", "fp16"
    channels_last: bool = False
    compile: bool = False
    deterministic: bool = False
    local_batch_norm: bool = False  # of several processes, each by its own part of the batch
    precise: Policy | None = None  # for what had better be computed in fp32, where that was left open

    def of(self, stage: MayBePrecise) -> Policy:
        """Return the choices for a stage."""
        return self.precise if stage.precise and self.precise is not None else self

    def __str__(self) -> str:
        words = [self.precision]
        words += ["channels_last"] * self.channels_last + ["compiled"] * self.compile
        words += ["deterministic"] * self.deterministic + ["local batch norm"] * self.local_batch_norm
        return f"{self.device} ({', '.join(words)})"

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Compute in the chosen precision."""
        if self.precision == "fp32":
            yield
            return
        with torch.autocast(self.device.type, _DTYPES[self.precision]):
            yield

    def scaler(self) -> torch.amp.GradScaler:
        """Return what scales losses so that fp16 gradients do not vanish; else it does nothing."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")

    def place(self, module: nn.Module) -> nn.Module:
        """Move a module to the device, the weights of its convolutions laid out as chosen."""
        module.to(self.device)
        if self.channels_last:
            _lay_channels_last(module)
        return module

    def place_all(self, modules: Mapping[str, nn.Module], *, training: Container[str] = ()) -> None:
        """Place modules; those in `training` are to train, all others are frozen and in eval mode."""
        for name, module in modules.items():
            trains = name in training
            self.place(module).train(trains).requires_grad_(trains)


def _lay_channels_last(module: nn.Module) -> None:
    """Lay out weights and buffers of images (4-D) and of videos (5-D), each in its own format."""
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.dim() in _LAYOUTS:
            tensor.data = tensor.data.contiguous(memory_format=_LAYOUTS[tensor.dim()])


def choose(compute: Compute, auto: str = "") -> Policy:
    """Resolve `auto` on this machine; `auto` is the precision that stands for it, where one is given.

    Raises RecipeError if the device's name is invalid, ResourceError if it is absent.
    """
    device = _device(compute.device)
    cuda = device.type == "cuda"
    precision: str = compute.precision
    if precision == "auto":
        precision = auto or ("bf16" if bf16_is_native(device) else "fp32")
    layouts = {"always": True, "never": False}
    channels_last = layouts.get(compute.channels_last, cuda or precision != "fp32")
    compiled = {"always": True, "never": False}.get(compute.compile, cuda and processes()[1] == 1)
    if compiled and processes()[1] > 1:
        raise RecipeError(
            "compute.compile is 'always', but several processes train what is not compiled",
            hint="take `auto`, or one process",
        )
    _set_deterministic(compute.deterministic)
    if device.type == "cpu":
        keep_freed_memory()
        torch.set_num_threads(compute.threads or max(1, usable_cores() // processes()[1]))
    local = compute.batch_norm == "local" and processes()[1] > 1
    policy = Policy(device, precision, channels_last, compiled, compute.deterministic, local)
    if compute.precision != "auto" or precision == "fp32" or cuda:
        return policy
    exact = replace(policy, precision="fp32")  # in one layout, whatever stages have placed a network before
    return replace(policy, precise=exact)


def bf16_is_native(device: torch.device) -> bool:
    """Return whether a device computes bf16 itself, and so faster than fp32.

    Older GPUs (T4, V100) emulate it slowly; of CPUs, those with AMX gain more by its matrix units than
    the casts cost.
    """
    if device.type == "cpu":
        ask: Callable[[], Mapping[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
        return bool(ask().get("amx_bf16", False))  # not every torch can say
    if device.type != "cuda":
        return False
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _set_deterministic(wanted: bool) -> None:
    """Allow only operations that give the same result each time, or all of them again."""
    if wanted:
        given = os.environ.setdefault(_CUBLAS, _DETERMINISTIC_CUBLAS[0])
        if given not in _DETERMINISTIC_CUBLAS:
            raise ResourceError(
                f"compute.deterministic: the environment sets {_CUBLAS}={given}, which is not deterministic",
                hint=f"unset it, or set it to {_DETERMINISTIC_CUBLAS[0]}",
            )
        torch.backends.cudnn.benchmark = False
    if wanted != torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(wanted)


@cache
def keep_freed_memory() -> None:
    """Have glibc keep what is freed: else every large tensor is mapped and zeroed anew.

    Saves a tenth of a training step on a CPU. Elsewhere than on glibc nothing happens.
    """
    trim_threshold, mmap_threshold = -1, -3  # of malloc.h
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 32 << 20)  # the most it takes
        mallopt(trim_threshold, 1 << 30)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one core for a while."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def facts_of(policy: Policy) -> dict[str, object]:
    """Return what a run computes on, for its run.json."""
    found: dict[str, object] = {"computed_on": str(policy), "cores": usable_cores()}
    if policy.device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(policy.device)
    return found


def usable_cores() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes() -> tuple[int, int]:
    """Give the number of this process on this machine, and how many torchrun has started on it."""
    return int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _device(name: str) -> torch.device:
    if not DEVICE.fullmatch(name):
        raise RecipeError(
            f"compute.device is '{name}', which names no device",
            hint="it must be one of auto, cpu, cuda, cuda:N, mps",
        )
    place, count = processes()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and count > 1:
        name = f"cuda:{place}"
    elif count > 1 and name != "cpu":
        raise RecipeError(
            f"compute.device is '{name}', but {count} processes train on this machine",
            hint="take `auto`, `cuda` (each process has the GPU of its number) or `cpu`",
        )
    device = torch.device(name)
    if lack := _lack(device):
        hint = "take `auto` or `cpu`; `s2vkit doctor` shows what there is"
        raise ResourceError(f"compute.device is '{name}' but torch finds {lack}", hint=hint)
    return device


def _lack(device: torch.device) -> str:
    """Return what is missing of a device; empty if nothing is."""
    if device.type == "mps":
        return "" if torch.backends.mps.is_available() else "no Apple GPU"
    if device.type != "cuda":
        return ""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return "no CUDA device"
    return "" if (device.index or 0) < count else f"only {count}, of which the last is cuda:{count - 1}"
