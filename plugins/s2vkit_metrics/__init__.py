"""Metrics of generated clips: likeness to the truth, and what evaluators trained on real faces see."""

from typing import Literal

from pydantic import field_validator

from s2vkit import Field, Options, Register, hookimpl


class SsimOptions(Options):
    """Options of SSIM."""

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


class AccuracyOptions(Options):
    """Options of the share of clips that an evaluator names rightly."""

    evaluator: str | None = Field(
        default=None, description="the name of the evaluator, for example emotion_2; none: the first"
    )


class CpbdOptions(Options):
    """Options of CPBD; the defaults are those of python-cpbd."""

    block: int = Field(default=64, ge=8, description="side of a block in px; whole blocks only")
    edges: float = Field(
        default=0.002, ge=0.0, lt=1.0, description="minimum share of edge pixels of an edge block"
    )
    contrast: int = Field(default=50, ge=0, le=255, description="where contrast begins to be high")
    width_low: float = Field(default=5.0, gt=0.0, description="just noticeable width at low contrast, px")
    width_high: float = Field(default=3.0, gt=0.0, description="just noticeable width at high contrast, px")
    beta: float = Field(default=3.6, gt=0.0, description="exponent of the width")
    visible_above: float = Field(
        default=0.63, gt=0.0, lt=1.0, description="probability above which blur counts as visible"
    )


class RegionOptions(Options):
    """Options of metrics of a region of the face."""

    region: Literal["face", "mouth"] = Field(
        default="face",
        description="what is measured: the whole frame, or its lower half less a quarter on either side",
    )


class EmbeddingOptions(Options):
    """Options of metrics that compare the embeddings of faces."""

    reference: Literal["first", "same"] = Field(
        default="first",
        description="the real frame to compare with: the clip's first, or that of the same time",
    )


class AcdOptions(EmbeddingOptions):
    """Options of the average content distance."""

    distance: Literal["l2", "cosine"] = Field(
        default="l2", description="length of the difference, or one less the cosine"
    )


class IdentityDriftOptions(Options):
    """Options of the drift of identity."""

    window: float = Field(default=1.0, gt=0.0, description="seconds whose embeddings are averaged")
    minutes: tuple[float, ...] = Field(
        default=(1.0, 10.0, 60.0), description="minutes at which the drift is in the details"
    )


class BlinksOptions(Options):
    """Options of the count of blinks."""

    close_above: float = Field(default=0.5, description="a blink begins above this")
    open_below: float = Field(default=0.3, description="and ends below this")


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the metrics: those that need no evaluator, and those that ask one."""
    register(
        "metric",
        "ssim",
        "s2vkit_metrics.likeness:Ssim",
        SsimOptions,
        summary="structural similarity of generated and real frames, 1 if equal",
        reference="Wang et al. 2004; Si et al. 2021, Table 1",
        better="up",
    )
    register(
        "metric",
        "psnr",
        "s2vkit_metrics.likeness:Psnr",
        summary="peak signal-to-noise ratio of generated against real frames, in dB",
        reference="Si et al. 2021, Table 1",
        better="up",
    )
    register(
        "metric",
        "cpbd",
        "s2vkit_metrics.sharpness:Cpbd",
        CpbdOptions,
        summary="share of edges that look sharp, without a reference",
        reference="Narvekar and Karam 2011; python-cpbd",
        better="up",
    )
    register(
        "metric",
        "sharpness",
        "s2vkit_metrics.detail:Sharpness",
        RegionOptions,
        summary="fine detail of frames, as a share of that of the truth",
        better="up",
    )
    register(
        "metric",
        "movement",
        "s2vkit_metrics.detail:Movement",
        RegionOptions,
        summary="how much pixels change over a clip, as a share of the truth",
        better="up",
    )
    _register_evaluated(register)


def _register_evaluated(register: Register) -> None:
    register(
        "metric",
        "identity_accuracy",
        "s2vkit_metrics.evaluated:IdentityAccuracy",
        AccuracyOptions,
        wants=("evaluator.identity", "identity"),
        summary="share of clips whose speaker an evaluator of real faces recognises",
        better="up",
    )
    register(
        "metric",
        "emotion_accuracy",
        "s2vkit_metrics.evaluated:EmotionAccuracy",
        AccuracyOptions,
        wants=("evaluator.emotion", "emotion"),
        summary="share of clips whose emotion an evaluator of real faces recognises",
        better="up",
    )
    register(
        "metric",
        "identity_agreement",
        "s2vkit_metrics.panel:IdentityAgreement",
        wants=("evaluators.identity", "identity"),
        summary="how often independent evaluators name the same speaker, and each one's confusions",
        better="up",
    )
    register(
        "metric",
        "emotion_agreement",
        "s2vkit_metrics.panel:EmotionAgreement",
        wants=("evaluators.emotion", "emotion"),
        summary="how often independent evaluators name the same emotion, and each one's confusions",
        better="up",
    )
    register(
        "metric",
        "mouth_aperture_correlation",
        "s2vkit_metrics.mouth:MouthApertureCorrelation",
        wants=("evaluator.mouth_aperture", "mouth_aperture"),
        summary="correlation of the mouth's opening, as an evaluator measures it, with the ground truth",
        better="up",
    )
    register(
        "metric",
        "mouth_movement",
        "s2vkit_metrics.detail:MouthMovement",
        wants=("evaluator.mouth_aperture",),
        summary="how much the mouth opens and closes, as an evaluator sees it, as a share of the truth",
        better="up",
    )
    register(
        "metric",
        "mouth_against_clean",
        "s2vkit_metrics.steadiness:MouthAgainstClean",
        wants=("evaluator.mouth_aperture",),
        summary="whether the mouth moves the same under a changed recording of the same speech",
        better="up",
    )
    register(
        "metric",
        "csim",
        "s2vkit_metrics.embedding:Csim",
        EmbeddingOptions,
        wants=("evaluator.identity",),
        summary="cosine of the embeddings of generated frames and a real one, 1 if equal",
        better="up",
    )
    register(
        "metric",
        "acd",
        "s2vkit_metrics.embedding:Acd",
        AcdOptions,
        wants=("evaluator.identity",),
        summary="average content distance of the embeddings of generated frames and a real one",
        reference="Tulyakov et al. 2018; Vougioukas et al. 2019",
        better="down",
    )
    register(
        "metric",
        "identity_drift",
        "s2vkit_metrics.drift:IdentityDrift",
        IdentityDriftOptions,
        gives=("without_truth",),
        wants=("evaluator.identity",),
        summary="how far a face moves away from itself from the first to the last second",
        better="down",
    )
    register(
        "metric",
        "blinks",
        "s2vkit_metrics.eyes:Blinks",
        BlinksOptions,
        wants=("evaluator.eyelid_closure", "eyelid_closure"),
        summary="blinks a second, and how long they last, as an evaluator measures the eyelids",
        reference="Stypulkowski et al. 2024 (blinks/s and their duration)",
    )
