"""Milliseconds of one step of Adam and AdamW as recipes make them, beside torch's default on this device.

python benchmarks/optimizers.py
python benchmarks/optimizers.py --device cuda

The parameters are those of a ResNet-18. Both take turns, and the least time of each counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from measuring import best_of, machine, print_table
from s2vkit_optimizers import AdamOptions, AdamwOptions
from s2vkit_optimizers.optimizers import make_adam, make_adamw
from torch import optim
from torchvision.models import resnet18

STEPS = 20  # in each round


def main() -> None:
    """Time both, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    device = torch.device(parser.parse_args().device)
    torch.set_num_threads(1)
    pairs: dict[str, tuple[Callable[..., optim.Optimizer], Callable[..., optim.Optimizer]]] = {
        "adam": (lambda of: make_adam(AdamOptions(lr=1e-3), of), optim.Adam),
        "adamw": (lambda of: make_adamw(AdamwOptions(lr=1e-3), of), optim.AdamW),
    }
    print(f"{machine()}, one thread, {device}")
    rows = []
    for name, (ours, default) in pairs.items():
        found = best_of({"ours": _steps(ours, device), "default": _steps(default, device)})
        ours_ms, default_ms = (found[key] / STEPS * 1e3 for key in ("ours", "default"))
        rows.append((name, f"{ours_ms:.1f}", f"{default_ms:.1f}", f"{default_ms / ours_ms:.1f} times"))
    print_table(("optimizer", "ours, ms", "torch's default, ms", "quicker"), rows)


def _steps(make: Callable[..., Any], device: torch.device) -> Callable[[], None]:
    network = resnet18().to(device)
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer = make(network.parameters())

    def run() -> None:
        for _ in range(STEPS):
            optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run


if __name__ == "__main__":
    main()
