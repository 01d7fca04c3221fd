"""Metrics of how faces move, from their landmarks."""

from typing import Literal

from s2vkit import Better, Field, Options, Register, hookimpl

Figure = Literal["lip_sync", "silent_lips", "lip_dynamics", "eyebrow_dynamics", "head_motion"]


class LipSyncOptions(Options):
    """Options of lip-sync by loudness."""

    window: float = Field(default=0.05, gt=0.0, description="seconds of speech whose RMS is taken")
    least: float = Field(default=0.1, ge=0.0, le=1.0, description="least share of frames that are speech")


class SilentLipsOptions(Options):
    """Options of what is measured in silences."""

    least: float = Field(default=0.2, gt=0.0, description="seconds; shorter silences do not count")


class LipLeakOptions(SilentLipsOptions):
    """Options of the share of moving frames in silences."""

    threshold: float = Field(
        default=0.02, gt=0.0, description="change of the opening, in interocular distances, that is movement"
    )


class ClosenessOptions(Options):
    """Options of the mean closeness."""

    of: tuple[Figure, ...] = Field(
        default=("lip_sync", "silent_lips", "lip_dynamics", "eyebrow_dynamics", "head_motion"),
        min_length=1,
        description="the figures that are compared",
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the metrics."""
    theval = "THEval, CVPR 2026"
    metrics: tuple[tuple[str, str, type[Options], Better, str, str], ...] = (
        ("lip_sync", "LipSync", LipSyncOptions, "down", "difference of mouth opening and loudness", theval),
        (
            "silent_lips",
            "SilentLips",
            SilentLipsOptions,
            "down",
            "how much the mouth moves in silence",
            theval,
        ),
        ("lip_dynamics", "LipDynamics", Options, "none", "how much the lips change their shape", theval),
        ("eyebrow_dynamics", "EyebrowDynamics", Options, "none", "how much the eyebrows move", theval),
        ("head_motion", "HeadMotion", Options, "none", "how much the head turns and moves", theval),
        (
            "lip_leak",
            "LipLeak",
            LipLeakOptions,
            "down",
            "share of silent frames with a moving mouth",
            "KeySync",
        ),
    )
    for name, target, options, better, summary, reference in metrics:
        register(
            "metric",
            name,
            f"s2vkit_dynamics.measured:{target}",
            options,
            gives=("without_truth",),
            wants=("landmarks",),
            summary=summary,
            reference=reference,
            better=better,
        )
    register(
        "metric",
        "closeness",
        "s2vkit_dynamics.close:Closeness",
        ClosenessOptions,
        wants=("landmarks",),
        summary="how close the movement of generated faces is to that of real ones, 1 if equal",
        reference=theval,
        better="up",
    )
