"""SyncNet: whether lips and speech go together, and by how many frames they are apart."""

from typing import Literal

from s2vkit import Better, Checkpoint, Field, OptimizerSlot, Options, Register, StageOptions, hookimpl


class SyncNetOptions(Options):
    """Options of SyncNet. As they stand here, they are those of the published network."""

    checkpoint: str | None = Field(
        default=None, description="file with the weights (syncnet_v2.model); none: train in the run"
    )
    width: float = Field(
        default=1.0, gt=0.0, le=1.0, description="factor of channel counts; a checkpoint needs 1"
    )
    input_size: int = Field(
        default=224, ge=56, description="height and width that faces are resized to; a checkpoint needs 224"
    )
    region: Literal["face", "mouth"] = Field(
        default="face",
        description="its input: the whole frame (as published, a face with margin), or the "
        "square of half its side at the bottom's middle",
    )
    motion: bool = Field(
        default=False,
        description="see each frame less the mean frame of its clip: who is shown and where falls "
        "away, so that a few hundred steps teach it; a checkpoint needs false",
    )


class SyncEvaluatorStageOptions(StageOptions):
    """Train the sync evaluator on real clips: each window of lips against its clip's speech."""

    batch: int = Field(default=12, ge=1, description="clips in a step")
    optimizer: OptimizerSlot = Field(description="moves the sync evaluator")
    windows: int = Field(
        default=20, ge=4, description="windows of each clip in a step, one beginning every frame"
    )
    shift: float = Field(
        default=0.04, ge=0.0, lt=0.5, description="largest random shift, as a part of the side"
    )
    flip: bool = Field(default=True, description="mirror every other clip")
    colour: float = Field(
        default=0.3, ge=0.0, le=1.0, description="largest random change of brightness and contrast"
    )
    noise: float = Field(
        default=0.05, ge=0.0, le=1.0, description="largest deviation of the grain that is added"
    )
    average: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="decay of the running mean of the weights that is kept in the end; 0: the "
        "weights of the last step",
    )
    gain: float = Field(default=6.0, ge=0.0, description="largest random change of the speech's level, in dB")


class SyncOptions(Options):
    """Options of the metrics that look for the shift at which lips and speech are nearest."""

    search: int = Field(default=15, ge=1, le=100, description="frames by which speech is shifted either way")
    ends: Literal["auto", "zeros", "overlap"] = Field(
        default="auto",
        description="windows shifted over a clip's end: compared with zeros, as published, or "
        "left out of the mean; auto: zeros where the evaluator's weights came from a file",
    )


class AvOffsetDriftOptions(SyncOptions):
    """Options of the drift of the AV offset."""

    window: float = Field(
        default=4.0, ge=0.1, description="seconds whose offset is measured; of fewer it is unreliable"
    )
    minutes: tuple[float, ...] = Field(
        default=(1.0, 10.0, 60.0), description="minutes at which the drift is in the details"
    )


CHECKPOINTS = (
    Checkpoint(
        "syncnet_v2.model",
        "s2vkit_syncnet:keys.json",
        "http://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model",
        "not stated with the file",
        note="faces of 224 pixels with syncnet_python's margin, 25 frames a second",
    ),
)


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the evaluator, its training and its metrics."""
    paper = "Chung and Zisserman 2016; joonson/syncnet_python"
    register(
        "sync_evaluator",
        "syncnet",
        "s2vkit_syncnet.evaluator:SyncNet",
        SyncNetOptions,
        summary="SyncNet: five frames of lips and a fifth of a second of speech, in one space",
        reference="Chung and Zisserman 2016; checkpoint syncnet_v2.model",
        checkpoints=CHECKPOINTS,
    )
    register(
        "stage",
        "sync_evaluator",
        "s2vkit_syncnet.training:TrainSyncEvaluator",
        SyncEvaluatorStageOptions,
        summary="trains the sync evaluator to find each window of lips in its clip's speech",
        reference="Chung, Chung and Kang 2019 (multi-way matching)",
    )
    metrics: tuple[tuple[str, Better, str], ...] = (
        ("av_confidence", "up", "SyncNet's confidence: median minus minimum distance over shifts"),
        ("av_offset", "zero", "frames by which speech leads the lips, where they are nearest"),
        ("lse_c", "up", "lip-sync error, confidence: SyncNet's confidence, a mean over clips"),
        ("lse_d", "down", "lip-sync error, distance: SyncNet's minimum distance, mean over clips"),
    )
    for name, better, summary in metrics:
        target = "".join(part.capitalize() for part in name.split("_"))
        register(
            "metric",
            name,
            f"s2vkit_syncnet.metrics:{target}",
            SyncOptions,
            wants=("sync_evaluator",),
            summary=summary,
            reference=f"{paper}; Prajwal et al. 2020" if name.startswith("lse") else paper,
            better=better,
        )
    register(
        "metric",
        "av_offset_drift",
        "s2vkit_syncnet.drift:AvOffsetDrift",
        AvOffsetDriftOptions,
        gives=("without_truth",),
        wants=("sync_evaluator",),
        summary="frames by which lips and speech move apart from the first to the last seconds",
        reference=paper,
        better="down",
    )
