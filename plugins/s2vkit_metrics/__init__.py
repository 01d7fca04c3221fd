"""Metrics of made clips: likeness to the truth, and what judges trained on real faces see."""

from __future__ import annotations

from typing import Literal

from s2vkit import Field, Options, Register, hookimpl


class SsimOptions(Options):
    """What may be set of SSIM."""

    channel: Literal["rgb", "grey"] = Field(
        default="rgb", description="mean over the colour channels, or of the luma (Rec. 601)"
    )


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
