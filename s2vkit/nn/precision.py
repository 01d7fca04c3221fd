"""The most precise floats of a device."""

from __future__ import annotations

from torch import Tensor


def exact(x: Tensor) -> Tensor:
    """Return float64: on the tensor's device, or on the CPU where the device has none (mps)."""
    return (x.cpu() if x.device.type == "mps" else x).double()
