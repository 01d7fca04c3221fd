"""Checks of losses, optimizers and stages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn, optim

from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.data_parallel import WHOLE
from s2vkit.interfaces.fields import BatchField
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.loss import AdversarialLoss, IndependenceLoss, PairLoss
from s2vkit.interfaces.metric import Outcome, ProbeData
from s2vkit.interfaces.stage import Job, Phase, Stage
from s2vkit.options import Slot
from s2vkit.testing.checking import SIZE, Subject, noise, place, seeded
from s2vkit.testing.data import outcomes, probe_data
from s2vkit.testing.stand_ins import stand_in_clips, stand_in_graph


def check_loss(subject: Subject) -> None:
    """Check a loss of a pair, of independence, or an adversarial one."""
    loss, gives = subject.build(), subject.entry.gives
    contracts = {"adversarial": AdversarialLoss, "independence": IndependenceLoss, "pair": PairLoss}
    subject.require_contract(loss, contracts.get(gives[0] if gives else "", nn.Module))
    problem = "its options have no 'weight'; derive them from LossOptions"
    subject.require(hasattr(subject.options, "weight"), problem)
    if gives == ("adversarial",):
        fake, real = noise(4, 3).requires_grad_(), noise(4, 3, seed=2).requires_grad_()
        _check_scalar(subject, "generator", loss.generator(fake), fake)
        _check_scalar(subject, "discriminator", loss.discriminator(real, fake), real, fake)
        three = [noise(4, 3, seed=s).requires_grad_() for s in (1, 2, 3)]
        _check_scalar(subject, "discriminator, mismatched", loss.discriminator(*three), *three)
        return
    if gives == ("independence",):
        code = noise(8, 3).requires_grad_()
        value = loss(code, noise(8, 3) + 0.1 * noise(8, 3, seed=2))
        _check_scalar(subject, "the loss", value, code)
        subject.require(value.detach() >= 0, f"is negative: {value.detach()}")
        alike = float(loss(code.detach(), place(torch.ones(8, 2))))
        subject.require(alike < 1e-2, f"is {alike} for independent codes, not 0")
        return
    frames, codes = gives == ("pair", "frames"), gives == ("pair", "codes")
    subject.require(frames or codes, f"is registered as giving {gives}, which is no loss")
    shape = (4, 3, SIZE, SIZE) if frames else (4, 10)
    prediction, target = noise(*shape).requires_grad_(), noise(*shape, seed=2)
    value = loss(prediction, target)
    _check_scalar(subject, "the loss", value, prediction)
    subject.require(value.detach() >= 0, f"is negative: {value.detach()}")
    if frames:
        same = float(loss(target, target))
        subject.require(abs(same) < 1e-6, f"is {same} for equal frames, not 0")


def _check_scalar(subject: Subject, what: str, value: Any, *sources: Tensor) -> None:
    subject.require_tensor(what, value, ())
    value.backward()
    for source in sources:
        reached = source.grad is not None and torch.isfinite(source.grad).all()
        subject.require(reached and source.grad is not None, f"{what}: no finite gradient")
        assert source.grad is not None
        subject.require(source.grad.abs().sum() > 0, f"{what}: its gradient is zero")
        source.grad = None


def check_optimizer(subject: Subject) -> None:
    """Check that it makes a torch optimizer that goes downhill."""
    weights = nn.Parameter(place(torch.ones(3)))
    optimizer = subject.target(subject.options, [weights])
    subject.require(isinstance(optimizer, optim.Optimizer), "makes no torch optimizer")
    for _ in range(3):
        optimizer.zero_grad()
        weights.square().sum().backward()
        optimizer.step()
    subject.require(weights.detach().square().sum() < 3.0, "does not go downhill")
    subject.require(optimizer.state_dict()["state"] is not None, "has no state to save")


def check_stage(subject: Subject) -> None:
    """Check a job by running it, a training stage by one step, on stand-ins for all parts."""
    graph = stand_in_graph(subject.make)
    with seeded():
        stage = subject.target(subject.options, graph=graph)
    if isinstance(stage, Job):
        subject.require_contract(stage, Job)
        _check_job(subject, stage, graph)
        return
    subject.require_contract(stage, Stage)
    subject.require(isinstance(stage.idle(), str), "idle() gives no text")
    wrong = [field for field in stage.fields if not isinstance(field, BatchField)]
    subject.require(not wrong, f"fields holds {wrong}, which are no fields of a batch")
    extras = {key: place(module) for key, module in stage.extras().items()}
    modules: dict[str, nn.Module] = {**graph.modules(), **graph.inner_modules(), **extras}
    slots = stage.optimizers()
    subject.require(slots, "moves nothing: optimizers() is empty")
    for key, slot in slots.items():
        subject.require(key in modules, f"optimizers() names '{key}', there are {sorted(modules)}")
        right = isinstance(slot, Slot) and slot.kind == "optimizer"
        subject.require(right, f"optimizers() gives no optimizer for '{key}'")
    left_out = set(extras) - set(slots)
    subject.require(not left_out, f"nothing moves its extras {sorted(left_out)}")
    _check_step(subject, stage, {key: modules[key] for key in slots}, modules)


def _check_step(
    subject: Subject, stage: Stage, trained: dict[str, nn.Module], modules: dict[str, nn.Module]
) -> None:
    for key, module in modules.items():
        module.train(key in trained).requires_grad_(key in trained)
    clips = stand_in_clips(stage)
    with seeded():
        shared = stage.shared_forward(clips)
        phases = stage.phases()
        for phase in phases:
            subject.require(set(phase.trains) <= set(trained), f"'{phase.name}' has no optimizer")
            _check_phase(subject, phase, trained, clips, shared)
        moved = {key for phase in phases for key in phase.trains}
        subject.require(moved == set(trained), f"no phase trains {set(trained) - moved}")
        for name, figure in stage.extra_metrics(clips, shared).items():
            finite = math.isfinite(float(figure.detach()))
            subject.require(finite, f"extra_metrics: '{name}' is not finite")
    for module in trained.values():
        module.eval()
    with torch.no_grad():
        for name, figure in stage.validate(clips).items():
            finite = math.isfinite(float(figure))
            subject.require(finite, f"validate: '{name}' is not finite")


def _check_phase(
    subject: Subject, phase: Phase, trained: dict[str, nn.Module], batch: Batch, shared: Any
) -> None:
    for key, module in trained.items():
        module.zero_grad(set_to_none=True)
        module.requires_grad_(key in phase.trains)
    terms = phase.loss(batch, shared)
    subject.require(terms, f"phase '{phase.name}' has no losses")
    for name, term in terms.items():
        subject.require_tensor(f"loss '{name}'", term, ())
    torch.stack(list(terms.values())).sum().backward()
    for key in phase.trains:
        gradients = [p.grad for p in trained[key].parameters() if p.grad is not None]
        reached = any(g.abs().sum() > 0 for g in gradients)
        subject.require(reached, f"phase '{phase.name}' trains '{key}', but no gradient reaches it")


class _Desk:
    """The `Work` of a job here: fake clips, and a folder for its results."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.folder, self.part = Path(), WHOLE
        self.saved: dict[str, str] = {}

    def outcomes(self, split: str, max_clips: int | None, under: str | None = None) -> Iterator[Outcome]:
        yield from outcomes(self.graph.evaluators, self.graph.sync_evaluator, self.graph.landmarks)

    def probe_data(self, split: str) -> ProbeData:
        return probe_data(24, 1) if split == "train" else probe_data(12, 2)

    def collect(self, found: dict[str, Any]) -> dict[str, Any]:
        return found

    def save(self, name: str, data: Any) -> None:
        self.saved[name] = json.dumps(data)

    def save_text(self, name: str, text: str) -> None:
        self.saved[name] = text


def _check_job(subject: Subject, job: Job, graph: Graph) -> None:
    desk = _Desk(graph)
    job.run(desk)
    lacking = set(job.leaves) - set(desk.saved)
    subject.require(not lacking, f"says it leaves {sorted(lacking)}, but does not")
