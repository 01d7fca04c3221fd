"""The adversarial loss of the paper, least squares, and its variants."""

from typing import Literal

from s2vkit import AdversarialLossOptions, Field, Register, hookimpl


class LsganOptions(AdversarialLossOptions):
    """Options of the least-squares losses."""

    labels: Literal["paper", "usual"] = Field(
        default="paper",
        description="paper: real 0, fake 1, the generator aims at 0; usual: real 1, fake 0, it aims at 1",
    )
    real: float | None = Field(default=None, description="label of what is real, over `labels`")
    fake: float | None = Field(default=None, description="label of generated inputs, overrides `labels`")
    target: float | None = Field(default=None, description="score the generator aims at, over `labels`")
    variant: Literal["consistent", "as_printed"] = Field(
        default="consistent",
        description="as_printed: the generator minimises Eqs. 4 to 6 as they stand, which makes "
        "fakes easier to spot (degenerate; for study only)",
    )
    reduction: Literal["mean", "sum"] = Field(
        default="mean",
        description="over the frames of a clip: mean, or sum as Eq. 5; over clips and patches the mean",
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the least-squares loss."""
    register(
        "loss",
        "lsgan",
        "s2vkit_lsgan.losses:Lsgan",
        LsganOptions,
        gives=("adversarial",),
        summary="least squares to the labels of the paper (real 0, fake 1)",
        reference="Si et al. 2021, Eqs. 4 to 7; Mao et al. 2017",
    )
