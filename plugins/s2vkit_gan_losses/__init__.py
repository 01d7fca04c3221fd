"""Adversarial losses beside the paper's: hinge, cross-entropy, Wasserstein."""

from typing import Literal

from s2vkit import AdversarialLossOptions, Field, Register, hookimpl


class GradientPenaltyOptions(AdversarialLossOptions):
    """Options of Wasserstein with a gradient penalty."""

    penalty: Literal["none", "r1", "gradient"] = Field(
        default="gradient", description="as of the other losses"
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the adversarial losses."""
    register(
        "loss",
        "hinge",
        "s2vkit_gan_losses.losses:Hinge",
        AdversarialLossOptions,
        gives=("adversarial",),
        summary="hinge on scores that are high where real",
        reference="Lim and Ye 2017; Miyato et al. 2018",
    )
    register(
        "loss",
        "non_saturating",
        "s2vkit_gan_losses.losses:NonSaturating",
        AdversarialLossOptions,
        gives=("adversarial",),
        summary="cross-entropy of real and fake; the generator's does not saturate",
        reference="Goodfellow et al. 2014",
    )
    register(
        "loss",
        "wasserstein",
        "s2vkit_gan_losses.losses:Wasserstein",
        AdversarialLossOptions,
        gives=("adversarial",),
        summary="difference of mean scores; only for discriminators with spectral_norm: true",
        reference="Arjovsky et al. 2017",
    )
    register(
        "loss",
        "wasserstein_gp",
        "s2vkit_gan_losses.losses:Wasserstein",
        GradientPenaltyOptions,
        gives=("adversarial",),
        summary="difference of mean scores, regularised by a penalty on the discriminator's gradient",
        reference="Gulrajani et al. 2017",
    )
