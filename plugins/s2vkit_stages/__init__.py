"""The stages of Speech2Video: training on labels, distillation, composition, evaluation."""

from typing import Literal

from s2vkit import (
    AdversarialLossSlot,
    CodeLossSlot,
    Field,
    IndependenceLossSlot,
    MetricSlot,
    OptimizerSlot,
    Options,
    Register,
    StageOptions,
    hookimpl,
)
from s2vkit_stages.adversarial_options import AdversarialOptions


class ClassifyOptions(StageOptions):
    """Train face networks on labelled faces, as VGGFace and FER+ trained theirs."""

    of: Literal["teacher", "evaluator"] = Field(default="teacher", description="which group to train")
    batch: int = Field(default=64, ge=1, description="clips in a step, one frame of each")
    optimizer: OptimizerSlot = Field(description="moves every network of the group")
    shift: int = Field(default=2, ge=0, description="largest random shift, in pixels")
    flip: bool = Field(default=False, description="mirror half of the images, in groups at random")
    blur: float = Field(default=0.0, ge=0.0, le=1.0, description="share of images that are blurred at random")
    colour: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="largest random change of brightness, contrast and saturation; half of it is "
        "that of the light's colour",
    )
    noise: float = Field(
        default=0.0, ge=0.0, le=1.0, description="largest deviation of the grain that is added"
    )
    only: list[str] | None = Field(
        default=None,
        description="names of the networks to train; none: all but further evaluators of a label "
        "(`emotion_2` beside `emotion`), which learn apart, in a stage that names them",
    )
    average: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="what each network keeps is the running mean of its weights, with this decay; "
        "0: its last weights",
    )


class DistillLosses(Options):
    """The two terms of Eq. 2, for each side, and what may hold the sides apart."""

    match: CodeLossSlot | None = Field(default=None, description="distance of normalised codes")
    distill: CodeLossSlot | None = Field(default=None, description="Eq. 3")
    apart: IndependenceLossSlot | None = Field(
        default=None,
        description="how much each code tells of what the other side's teacher saw, to be made "
        "small; none: as the paper",
    )


class DistillOptions(StageOptions):
    """Teach the students what the teachers see (Eqs. 1-3)."""

    batch: int = Field(default=64, ge=1, description="clips in a step")
    optimizer: OptimizerSlot = Field(description="trains every student")
    losses: DistillLosses = Field(description="the terms of Eq. 2")
    segments: int = Field(
        default=0,
        ge=0,
        le=64,
        description="random segments of each clip whose summary the students learn from besides the "
        "whole clip's; 0 as the paper",
    )
    vary: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="share of the segments that sound as other recordings might: other tone, room, "
        "noise, band, hum, clipping",
    )
    shortest: float = Field(
        default=0.0,
        ge=0.0,
        le=60.0,
        description="seconds of the shortest segment, the longest being the whole clip; 0: a third to nine "
        "tenths of the clip",
    )
    sampled_frames: dict[str, int] = Field(
        default={"emotion": 5},
        description="K of Eq. 1 by side: frames whose mean is the target, drawn anew each step; a side that "
        "is not named: all that its teacher sees",
    )
    cached_frames: dict[str, int] = Field(
        default={"emotion": 16},
        description="frames of each clip that the teacher of a side embeds; a side that is not named: the "
        "first frame, as the paper's identity",
    )
    average: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="decay of the running mean of the students' weights that is kept in the end; "
        "0: the weights of the last step",
    )
    erase: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="the principal directions that hold this share of the variance of what the "
        "other side's teacher saw are erased from each code in the end, by a projection folded "
        "into the student's last layer; 0: none, as the paper",
    )
    erase_shrinkage: float = Field(
        default=0.01,
        gt=0.0,
        lt=1.0,
        description="shrinkage of the covariance that erasure whitens by, towards an isotropic one",
    )
    through_head: bool = Field(
        default=False,
        description="Eq. 3 compares what the teachers' own classifiers say of the codes (fc8 of "
        "VGG-Face, as in Speech2Face), not the codes themselves",
    )
    validate_every: int = Field(
        default=50, ge=0, role="monitor", description="steps between validations on the split val; 0: none"
    )


class SyncPairsOptions(StageOptions):
    """Pre-train a synchrony discriminator on real pairs, matched and mismatched."""

    of: str = Field(default="sync", description="name of the discriminator")
    batch: int = Field(default=16, ge=1, description="clips in a step")
    runs: int = Field(default=4, ge=1, description="runs of frames of each clip in a step")
    window: int = Field(default=5, ge=1, le=64, description="consecutive frames of each run")
    gap: int = Field(default=5, ge=1, description="minimum number of frames between a time and a mismatch")
    temperature: float = Field(default=0.07, gt=0.0, description="of InfoNCE")
    contrast: float = Field(
        default=1.0,
        ge=0.0,
        description="weight of InfoNCE over the runs of a batch, where a discriminator has embeddings",
    )
    adversarial: AdversarialLossSlot = Field(description="the loss of Eq. 6, here without generated frames")
    optimizer: OptimizerSlot = Field(description="moves the discriminator")
    validate_every: int = Field(
        default=100, ge=0, role="monitor", description="steps between AUCs of the split val; 0: none"
    )


class MouthFromSpeechOptions(StageOptions):
    """Teach a generator's `hearing` what speech tells of the mouth, before it draws."""

    batch: int = Field(default=16, ge=1, description="clips in a step")
    frames: int = Field(default=32, ge=2, description="frames of each clip in a step")
    variants: int = Field(
        default=0,
        ge=0,
        le=16,
        description="versions of each clip's speech, as other recordings of it might sound, of which a step "
        "hears one",
    )
    optimizer: OptimizerSlot = Field(description="moves what hears, and the layer that it learns by")
    validate_every: int = Field(
        default=0, ge=0, role="monitor", description="steps between validations on the split val; 0: none"
    )


class EvaluateOptions(Options):
    """Make clips of a split from speech alone and measure them."""

    after: list[str] = Field(default=[], description="stages that must be finished first")
    split: Literal["train", "val", "test"] = Field(
        default="test", description="which clips; those of train only show what was memorised"
    )
    clips: int | None = Field(default=None, ge=1, description="at most so many; all if absent")
    under: str | None = Field(
        default=None, description="change of the recordings that clips are generated from; none: as they are"
    )
    metrics: dict[str, MetricSlot] = Field(description="what to measure, by name")
    cached_frames: dict[str, int] = Field(
        default={"emotion": 16},
        description="frames of each clip that the teacher of a side looks at, whose mean probes compare "
        "codes with; a side that is not named: its first frame",
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the stages."""
    paper = "Si et al., Interspeech 2021"
    register(
        "stage",
        "classify",
        "s2vkit_stages.classify:Classify",
        ClassifyOptions,
        summary="trains teachers or evaluators on labelled real faces",
        reference="Parkhi et al. 2015 (VGGFace); Barsoum et al. 2016 (FER+)",
    )
    register(
        "stage",
        "distill",
        "s2vkit_stages.distill:Distill",
        DistillOptions,
        summary="students learn from speech what teachers see in faces",
        reference=f"{paper}, section 2.1, Eqs. 1-3",
    )
    register(
        "stage",
        "adversarial",
        "s2vkit_stages.adversarial:Adversarial",
        AdversarialOptions,
        summary="trains the generator against the discriminators",
        reference=f"{paper}, section 2.2, Eqs. 4-10",
    )
    register(
        "stage",
        "sync_pairs",
        "s2vkit_stages.sync_pairs:SyncPairs",
        SyncPairsOptions,
        summary="pre-trains the synchrony discriminator on matched and mismatched real pairs",
        reference="Prajwal et al. 2020 (lip-sync expert); van den Oord et al. 2018 (InfoNCE)",
    )
    register(
        "stage",
        "mouth_from_speech",
        "s2vkit_stages.mouth_from_speech:MouthFromSpeech",
        MouthFromSpeechOptions,
        summary="teaches a generator's own layers what speech tells of the mouth, before it draws",
        reference="ours",
    )
    register(
        "stage",
        "evaluate",
        "s2vkit_stages.evaluate:Evaluate",
        EvaluateOptions,
        summary="generates held-out clips from speech alone and evaluates them",
        reference=f"{paper}, section 3.3",
    )
