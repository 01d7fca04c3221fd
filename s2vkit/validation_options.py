"""The options of validation: what is measured of generated clips while a stage trains."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from s2vkit.options import Field, MetricSlot, Options


class ValidationOptions(Options):
    """Generate clips of the split val while a stage trains, measure them, and keep the best weights.

    With `publish: best` or `patience` the result follows from these options; else from none of them.
    """

    every: int = Field(default=0, ge=0, description="steps between validations; 0: none")
    clips: int = Field(default=8, ge=1, description="clips of val at most, spread over the split")
    metrics: dict[str, MetricSlot] = Field(
        default={}, description="what is measured, by name; logged as `val.NAME`"
    )
    best: str | None = Field(
        default=None,
        description="name of the metric whose best weights are kept beside the last; none: none are kept",
    )
    keep: int = Field(
        default=1, ge=1, le=100, role="monitor", description="how many of the best weights are kept"
    )
    publish: Literal["last", "best"] = Field(
        default="last",
        description="the weights that the stage ends with: those of its last step, or of its best validation",
    )
    patience: int = Field(
        default=0,
        ge=0,
        description="training ends after so many validations in a row that were no better; 0: it does not",
    )

    @model_validator(mode="after")
    def _goes_together(self) -> ValidationOptions:
        if self.every and not self.metrics:
            raise ValueError("every: there are no metrics to measure")
        if self.best is not None and self.best not in self.metrics:
            known = ", ".join(self.metrics) or "none"
            raise ValueError(f"best: '{self.best}' names none of its metrics ({known})")
        if self.decides() and not (self.every and self.best):
            raise ValueError("publish: best and patience need `every`, and `best` to name a metric")
        return self

    def decides(self) -> bool:
        """Say whether the weights that a stage ends with follow from these options."""
        return self.publish == "best" or self.patience > 0
