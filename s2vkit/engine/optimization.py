"""The optimizers of a stage: gradients, their norms and clipping, learning rates, fp16's scaling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from s2vkit.engine.process_group import ProcessGroup
from s2vkit.engine.schedule import set_rate
from s2vkit.options import OptimizerOptions, Slot

Scaler = torch.amp.GradScaler


class Optimization:
    """One optimizer for each trained module; all share one scaler of losses."""

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        slots: Mapping[str, Slot],
        make_optimizer: Callable[[Slot, Any], optim.Optimizer],
        scaler: Scaler,
        total: int,
        group: ProcessGroup | None = None,
    ) -> None:
        self.slots, self.scaler, self.total = slots, scaler, total
        self.group = group or ProcessGroup()
        self.parameters = {key: list(module.parameters()) for key, module in modules.items()}
        self.optimizers = {
            key: make_optimizer(slot, modules[key].parameters()) for key, slot in slots.items()
        }
        self.scale = ScalerState(scaler) if scaler.is_enabled() else None

    def modules(self) -> dict[str, nn.Module]:
        """Name what a checkpoint holds besides weights and optimizers: the scale of fp16."""
        return {"scaler": self.scale} if self.scale is not None else {}

    def zero(self, names: Sequence[str]) -> None:
        """Forget the gradients of modules."""
        for key in names:
            self.optimizers[key].zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def update(self, names: Sequence[str], step: int) -> dict[str, Tensor]:
        """Update modules at a step, counted from 0; give gradient norms and learning rates."""
        found = {}
        self.group.average_gradients([p for key in names for p in self.parameters[key]])
        for key in names:
            options = self.slots[key].options
            self.scaler.unscale_(self.optimizers[key])
            limit = options.clip_gradients if isinstance(options, OptimizerOptions) else None
            found[f"gradient_norm.{key}"] = clip(self.parameters[key], limit)
            if isinstance(options, OptimizerOptions):
                rate = set_rate(self.optimizers[key], options, step, self.total)
                found[f"lr.{key}"] = torch.tensor(rate, dtype=torch.float64)
            self.scaler.step(self.optimizers[key])
        return found

    def end_step(self) -> None:
        """Adapt the scale to whether gradients overflowed in this step."""
        self.scaler.update()


def clip(parameters: Sequence[nn.Parameter], limit: float | None) -> Tensor:
    """Return the norm of all gradients together, and shrink them to `limit` where it is greater."""
    with_gradient = [p for p in parameters if p.grad is not None]
    norm = get_total_norm([p.grad for p in with_gradient if p.grad is not None])
    if limit is not None:
        clip_grads_with_norm_(with_gradient, limit, norm)
    return norm


class ScalerState(nn.Module):
    """Presents a scaler's state as tensors, so that a checkpoint holds it."""

    def __init__(self, scaler: Scaler) -> None:
        super().__init__()
        self.scaler = scaler

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, value in self.scaler.state_dict().items():
            destination[prefix + name] = torch.tensor(value, dtype=torch.float64)

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *rest: Any) -> None:
        values = {k.removeprefix(prefix): v.item() for k, v in state_dict.items() if k.startswith(prefix)}
        values["growth_interval"], values["_growth_tracker"] = (
            int(values["growth_interval"]),
            int(values["_growth_tracker"]),
        )
        self.scaler.load_state_dict(values)
