"""Settings that training and inference share: compute, and the alignment of speech with frames. No torch."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from s2vkit.options import Field, Options

DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def _device(value: str) -> str:
    if not DEVICE.fullmatch(value):
        raise ValueError(f"must be one of auto, cpu, cuda, cuda:N, mps, got the text '{value}'")
    return value


When = Literal["auto", "always", "never"]


class Alignment(Options):
    """How speech features are aligned with video frames."""

    mode: Literal["linear", "mean"] = Field(
        default="linear", description="linear: interpolate at each frame's time; mean: average over its span"
    )
    shift: float = Field(
        default=0.0,
        ge=-10.0,
        le=10.0,
        description="seconds by which speech is delayed (positive) or advanced",
    )


class Compute(Options):
    """What to compute on, and how."""

    device: Annotated[str, AfterValidator(_device)] = Field(
        default="auto", description="auto, cpu, cuda, cuda:N or mps; auto takes the best there is"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto",
        description="auto: bf16 where the GPU computes it natively or the CPU has AMX, else fp32; fp16 "
        "scales the losses",
    )
    deterministic: bool = Field(
        default=False, description="only operations that give the same bits each time; slower on a GPU"
    )
    batch_norm: Literal["synchronized", "local"] = Field(
        default="synchronized",
        description="of several processes that train: batch norm takes its statistics from the batch "
        "of all of them (synchronized), or each from its own part (local), which is quicker",
    )
    compile: When = Field(
        default="auto", role="monitor", description="whether to compile the parts that train"
    )
    channels_last: When = Field(
        default="auto", role="monitor", description="whether images are stored channels last"
    )
    frozen_features: Literal["auto", "cached", "live"] = Field(
        default="auto",
        role="monitor",
        description="what frozen networks give: cached for all clips, or computed live in each step; "
        "auto: live what cache_gb has no room for",
    )
    cache_gb: float = Field(
        default=50.0, ge=0.0, role="monitor", description="GB that auto caches of frozen features at most"
    )
    workers: int = Field(default=2, ge=0, role="monitor", description="processes that load clips; 0: none")
    loader_workers: int | None = Field(
        default=None,
        ge=0,
        role="monitor",
        description="processes that load batches while one trains; null: some for a GPU, none for a CPU",
    )
    threads: int = Field(
        default=0, ge=0, role="monitor", description="CPU threads of the training; 0: all cores"
    )


class StartFrom(Options):
    """The trained weights that a run starts from, in the place of random ones."""

    run: str = Field(min_length=1, description="folder of a finished run, or of a bundle")
    parts: list[str] | None = Field(
        default=None,
        description="the parts that start from it, by name or group (`encoder`, `student`, "
        "`evaluator.identity`); none: all that it has",
    )
