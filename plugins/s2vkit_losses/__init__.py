"""Losses of a pair: of a code and its teacher's, of a made frame and the true one."""

from typing import Literal

from s2vkit import Field, LossOptions, Register, hookimpl


class SoftTargetsOptions(LossOptions):
    """Options of the softmax cross-entropy of codes."""

    direction: Literal["kd", "as_printed"] = Field(
        default="kd",
        description="kd: the teacher's softmax weighs the student's logarithm; as_printed: Eq. 3 "
        "literally, the student's softmax weighs the teacher's logarithm",
    )
    temperature: float = Field(
        default=1.0, gt=0.0, description="both codes are divided by it before the softmax"
    )


class DecorrelateOptions(LossOptions):
    """Options of the linear independence loss."""

    ridge: float = Field(
        default=0.03,
        gt=0.0,
        description="what the regressions are held back by, as a part of the mean square; less: "
        "weaker traces count too, and chance more",
    )


class HsicOptions(LossOptions):
    """Options of the kernel independence loss."""

    width: float = Field(default=1.0, gt=0.0, description="of the Gaussian kernels, in median distances")


class PixelOptions(LossOptions):
    """Options of losses of pixels."""

    region: Literal["upper", "lower", "full"] = Field(
        default="upper", description="the rows that count; upper is from the nose up"
    )
    reduction: Literal["mean", "sum"] = Field(
        default="mean", description="over the pixels of a frame: mean, or sum as printed"
    )


class SmoothGradientOptions(LossOptions):
    """Options of the gradient loss."""

    smoother: Literal["gaussian", "guided"] = Field(
        default="gaussian",
        description="guided: a filter guided by the frame itself, which keeps strong edges",
    )
    kernel: int = Field(default=5, ge=1, le=31, description="width of the filter, odd, in pixels")
    sigma: float = Field(default=1.5, gt=0.0, description="spread of the Gaussian, in pixels")
    edge: float = Field(
        default=0.05, gt=0.0, description="guided: variance above which a place counts as an edge"
    )
    gradient: Literal["forward", "sobel"] = Field(
        default="forward", description="differences of neighbours, or the Sobel filter"
    )


class SsimLossOptions(LossOptions):
    """Options of structural similarity as a loss."""

    kernel: int = Field(default=11, ge=3, le=31, description="width of the window, odd, in pixels")
    sigma: float = Field(default=1.5, gt=0.0, description="spread of the window, in pixels")
    stride: int = Field(default=1, ge=1, le=8, description="pixels from one window to the next")


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the losses of pairs."""
    register(
        "loss",
        "normalized_l2",
        "s2vkit_losses.codes:NormalizedL2",
        LossOptions,
        gives=("pair", "codes"),
        summary="squared distance of codes brought to unit length",
        reference="Si et al. 2021, Eq. 2",
    )
    register(
        "loss",
        "soft_targets",
        "s2vkit_losses.codes:SoftTargets",
        SoftTargetsOptions,
        gives=("pair", "codes"),
        summary="softmax cross-entropy of the student under its teacher",
        reference="Si et al. 2021, Eq. 3; Hinton et al. 2015",
    )
    register(
        "loss",
        "decorrelate",
        "s2vkit_losses.independence:Decorrelate",
        DecorrelateOptions,
        gives=("independence",),
        summary="what ridge regressions find of the other side in a code, solved each step",
        reference="Fukumizu et al. 2007 (normalised cross-covariance), linear",
    )
    register(
        "loss",
        "hsic",
        "s2vkit_losses.independence:Hsic",
        HsicOptions,
        gives=("independence",),
        summary="any dependence of a code on the other side, by Gaussian kernels",
        reference="Gretton et al. 2005; Song et al. 2012, Eq. 5 (unbiased)",
    )
    register(
        "loss",
        "l1",
        "s2vkit_losses.frames:L1",
        PixelOptions,
        gives=("pair", "frames"),
        summary="absolute difference of pixels, of the upper half by default",
        reference="Si et al. 2021, Eq. 8",
    )
    register(
        "loss",
        "l2",
        "s2vkit_losses.frames:L2",
        PixelOptions,
        gives=("pair", "frames"),
        summary="squared difference of pixels, of the upper half by default",
    )
    register(
        "loss",
        "smooth_gradient",
        "s2vkit_losses.frames:SmoothGradient",
        SmoothGradientOptions,
        gives=("pair", "frames"),
        summary="absolute difference of the gradients of smoothed frames",
        reference="Si et al. 2021, Eq. 9; He et al. 2013 (guided filter)",
    )
    register(
        "loss",
        "ssim",
        "s2vkit_losses.frames:StructuralSimilarity",
        SsimLossOptions,
        gives=("pair", "frames"),
        summary="1 - structural similarity: contrast and structure of what can be told",
        reference="Wang et al. 2004; as a loss Zhao et al. 2017",
    )
