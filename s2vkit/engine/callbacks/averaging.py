"""The running mean of a module's weights: steadier than the weights of any one step."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from s2vkit.interfaces.callback import Callback, TrainingState


class RunningMean(nn.Module):
    """Follows a module with the exponential mean of its weights and running statistics.

    The mean forgets sooner while it is young: after n steps its decay is at most
    (1 + n) / (10 + n), so that short trainings are not held back by their start. The number of
    steps stays on the CPU: to read it, nothing waits for a GPU.
    """

    n_averaged: Tensor

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__()
        self.module, self.decay = copy.deepcopy(module).requires_grad_(False), decay
        self.register_buffer("n_averaged", torch.zeros((), dtype=torch.long, device="cpu"))

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Update the mean with the weights after one more step."""
        n = int(self.n_averaged)
        share = 1 - min(self.decay, (1 + n) / (10 + n)) if n else 1.0
        means: list[Tensor] = []
        values: list[Tensor] = []
        for mean, value in zip(_tensors(self.module), _tensors(module), strict=True):
            if n == 0 or not mean.is_floating_point():
                mean.copy_(value)
            else:
                means.append(mean)
                values.append(value)
        if means:
            torch._foreach_lerp_(means, values, share)
        self.n_averaged += 1


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


class Averaging(Callback):
    """Keeps the running means that a stage asks for; in the end they are what is kept."""

    def __init__(self, trained: Mapping[str, nn.Module], decays: Mapping[str, float]) -> None:
        self.means = {name: RunningMean(trained[name], decay) for name, decay in decays.items() if decay}

    def modules(self) -> dict[str, nn.Module]:
        """Name the means, for checkpoints."""
        return {f"average.{name}": mean for name, mean in self.means.items()}

    def on_train_start(self, state: TrainingState) -> None:
        """Publish the means (sample pictures are generated with them)."""
        state.averaged.update({name: mean.module for name, mean in self.means.items()})

    def on_step_end(self, state: TrainingState) -> None:
        """Update the means."""
        for name, mean in self.means.items():
            mean.update(state.modules[name])

    def on_train_end(self, state: TrainingState) -> None:
        """Put the means in the place of the last step's weights."""
        for name, mean in self.means.items():
            state.modules[name].load_state_dict(mean.module.state_dict())
