"""Adversarial losses: least squares as in the paper, and others in its place."""

from typing import Literal

from s2vkit import Field, LossOptions, Register, hookimpl


class GameOptions(LossOptions):
    """What may be set of every adversarial loss."""

    penalty: Literal["none", "r1", "gradient"] = Field(
        default="none",
        description="what else a discriminator minimises: r1, half the squared gradient of its "
        "score at what is real; gradient, the squared distance of the gradient's norm from 1 "
        "between real and fake",
    )
    penalty_weight: float = Field(default=10.0, ge=0.0, description="factor of the penalty")
    penalty_every: int = Field(
        default=1,
        ge=1,
        description="compute it in one step of so many, drawn at random, and weigh it up by that",
    )


class GradientPenaltyOptions(GameOptions):
    """What may be set of Wasserstein with a gradient penalty."""

    penalty: Literal["none", "r1", "gradient"] = Field(
        default="gradient", description="as of the other losses"
    )


class LsganOptions(GameOptions):
    """What may be set of the least-squares losses."""

    labels: Literal["paper", "usual"] = Field(
        default="paper",
        description="paper: real 0, fake 1, the generator aims at 0; usual: real 1, fake 0, it aims at 1",
    )
    real: float | None = Field(default=None, description="label of what is real, over `labels`")
    fake: float | None = Field(default=None, description="label of what is made, over `labels`")
    target: float | None = Field(default=None, description="score the generator aims at, over `labels`")
    variant: Literal["consistent", "as_printed"] = Field(
        default="consistent",
        description="as_printed: the generator minimises Eqs. 4 to 6 as they stand, which makes "
        "fakes easier to spot (degenerate; for study only)",
    )
    reduction: Literal["mean", "sum"] = Field(
        default="mean", description="over the scores of a batch: mean, or sum as Eq. 5 over t"
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the adversarial losses."""
    register(
        "loss",
        "lsgan",
        "s2vkit_lsgan.losses:Lsgan",
        LsganOptions,
        gives=("adversarial",),
        summary="least squares to the labels of the paper (real 0, fake 1)",
        reference="Si et al. 2021, Eqs. 4 to 7; Mao et al. 2017",
    )
    register(
        "loss",
        "hinge",
        "s2vkit_lsgan.losses:Hinge",
        GameOptions,
        gives=("adversarial",),
        summary="hinge on scores that are high where real",
        reference="Lim and Ye 2017; Miyato et al. 2018",
    )
    register(
        "loss",
        "non_saturating",
        "s2vkit_lsgan.losses:NonSaturating",
        GameOptions,
        gives=("adversarial",),
        summary="cross-entropy of real and fake; the generator's does not saturate",
        reference="Goodfellow et al. 2014",
    )
    register(
        "loss",
        "wasserstein",
        "s2vkit_lsgan.losses:Wasserstein",
        GameOptions,
        gives=("adversarial",),
        summary="difference of mean scores; only for discriminators with spectral_norm: true",
        reference="Arjovsky et al. 2017",
    )
    register(
        "loss",
        "wasserstein_gp",
        "s2vkit_lsgan.losses:Wasserstein",
        GradientPenaltyOptions,
        gives=("adversarial",),
        summary="difference of mean scores, kept smooth by a penalty on the critic's gradient",
        reference="Gulrajani et al. 2017",
    )
