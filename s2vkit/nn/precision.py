"""Numbers as exact as a device has them."""

from __future__ import annotations

import torch
from torch import Tensor


def has_float64(device: torch.device) -> bool:
    """Say whether a device computes in float64; an Apple GPU does not."""
    return device.type != "mps"


def exact(x: Tensor) -> Tensor:
    """Return float64: on the tensor's device, or on the CPU where the device has none."""
    return (x if has_float64(x.device) else x.cpu()).double()


def exact_on_device(x: Tensor) -> Tensor:
    """Return float64 on the tensor's device, or float32 where the device has none."""
    return x.double() if has_float64(x.device) else x.float()
