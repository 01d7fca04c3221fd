"""Loggers: TensorBoard, and what has the interface of Weights & Biases."""

from typing import Literal

from s2vkit import Field, Options, Register, hookimpl


class TensorBoardOptions(Options):
    """Options of the TensorBoard logger."""

    every: int = Field(default=1, ge=1, description="steps between figures; pictures are never left out")


class WandbOptions(Options):
    """Options of the logger for Weights & Biases and packages with its interface."""

    package: Literal["wandb", "trackio"] = Field(default="wandb", description="the package that is called")
    project: str = Field(default="s2vkit", min_length=1, description="the project that runs belong to")
    every: int = Field(default=1, ge=1, description="steps between figures; pictures are never left out")
    arguments: dict[str, bool | int | float | str | list[str]] = Field(
        default={}, description="further arguments of its `init`, such as `mode: offline` or `tags`"
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the loggers."""
    register(
        "logger",
        "tensorboard",
        "s2vkit_loggers.tensorboard:TensorBoard",
        TensorBoardOptions,
        summary="figures and sample pictures for TensorBoard, in the run's folder `tensorboard`",
    )
    register(
        "logger",
        "wandb",
        "s2vkit_loggers.wandb:Wandb",
        WandbOptions,
        summary="figures and sample pictures to Weights & Biases, or to Trackio, a run a stage",
    )
