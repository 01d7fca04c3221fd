"""Metrics of made clips: likeness to the truth, and what judges trained on real faces see."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from s2vkit import Field, Options, Register, hookimpl


class SsimOptions(Options):
    """What may be set of SSIM."""

    channel: Literal["rgb", "grey"] = Field(
        default="rgb", description="mean over the colour channels, or of the luma (Rec. 601)"
    )
    window: Literal["gaussian", "uniform"] = Field(
        default="gaussian", description="what weighs the pixels of a window; gaussian is Wang's"
    )
    size: int = Field(default=11, ge=3, le=63, description="side of the window in px, odd")
    sigma: float = Field(default=1.5, gt=0.0, description="of the gaussian window, in px")
    data_range: float = Field(
        default=1.0, gt=0.0, description="the range in the constants; frames are in [0, 1]"
    )
    covariance: Literal["population", "sample"] = Field(
        default="population", description="divided by the pixels of a window, or by one less"
    )
    borders: Literal["inside", "reflect"] = Field(
        default="inside",
        description="windows wholly inside the frame (scikit-image), or one at every pixel, the "
        "frame reflected at its ends (torchmetrics)",
    )

    @field_validator("size")
    @classmethod
    def _odd(cls, size: int) -> int:
        if size % 2 == 0:
            raise ValueError("must be odd")
        return size


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the metrics."""
    register(
        "metric", "ssim", "s2vkit_metrics.likeness:Ssim", SsimOptions,
        summary="structural similarity of frames and their truth, 1 where equal",
        reference="Wang et al. 2004; Si et al. 2021, Table 1",
    )  # fmt: skip
    register(
        "metric", "psnr", "s2vkit_metrics.likeness:Psnr",
        summary="peak signal to noise of frames against their truth, in dB",
        reference="Si et al. 2021, Table 1",
    )  # fmt: skip
    register(
        "metric", "identity_accuracy", "s2vkit_metrics.judged:IdentityAccuracy",
        wants=("judge.identity", "identity"),
        summary="share of clips whose speaker a judge of real faces names rightly",
    )  # fmt: skip
    register(
        "metric", "emotion_accuracy", "s2vkit_metrics.judged:EmotionAccuracy",
        wants=("judge.emotion", "emotion"),
        summary="share of clips whose emotion a judge of real faces names rightly",
    )  # fmt: skip
    register(
        "metric", "openness_correlation", "s2vkit_metrics.mouth:OpennessCorrelation",
        wants=("judge.openness", "openness"),
        summary="correlation of the mouth's opening, as a judge sees it, with the truth",
    )  # fmt: skip
