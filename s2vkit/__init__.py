"""s2vkit: talking-face video from speech, and the training of the models that make it.

This facade is all that a plugin imports. What needs no torch is here at once; the
contracts and helpers that need it are loaded when first asked for.
"""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2vkit.checkpoints import Carrier, Checkpoint, weights_file
from s2vkit.errors import (
    InputError,
    PluginError,
    RecipeError,
    ResourceError,
    RunFolderError,
    S2vkitError,
    TrainingError,
)
from s2vkit.footage_options import FootageOptions
from s2vkit.hookspecs import Register, RegisterCommand, hookimpl
from s2vkit.options import (
    AdversarialLossOptions,
    AdversarialLossSlot,
    AudioEncoderSlot,
    Better,
    CodeLossSlot,
    DiscriminatorSlot,
    FaceDetectorSlot,
    Field,
    FileName,
    FrameLossSlot,
    GeneratorSlot,
    IndependenceLossSlot,
    LandmarksSlot,
    LoggerSlot,
    LossOptions,
    MetricSlot,
    OptimizerOptions,
    OptimizerSlot,
    Options,
    Reference,
    Slot,
    SpeechLevelOptions,
    StageOptions,
    StudentSlot,
    SyncEvaluatorSlot,
    TeacherSlot,
    WatermarkSlot,
)
from s2vkit.validation_options import ValidationOptions

if TYPE_CHECKING:
    from s2vkit.inference.model import TalkingFaceModel
    from s2vkit.installed import find_carried
    from s2vkit.interfaces.audio_encoder import AudioEncoder, SpeechStep, SpeechStream
    from s2vkit.interfaces.batch import Batch, Conditioning, GeneratorOutput, align, pick_time, speech_steps
    from s2vkit.interfaces.callback import Callback, TrainingState
    from s2vkit.interfaces.data_parallel import (
        current_part,
        draw_rows,
        gather_rows,
        mean_over_processes,
        means_over_processes,
    )
    from s2vkit.interfaces.dataset import ClipFiles, Dataset, Footage, RawClip, Source, Survey
    from s2vkit.interfaces.discriminator import Discriminator, Inputs, detached, join, windows
    from s2vkit.interfaces.drift import Drift, Windowed
    from s2vkit.interfaces.face_detector import FaceDetector, Faces
    from s2vkit.interfaces.fields import (
        AudioWindows,
        BatchField,
        BatchSizes,
        BatchSource,
        ClipSample,
        Context,
        FeatureField,
        Features,
        Frames,
        FrozenFeatures,
        IdentityMaps,
        Mismatched,
        ReferenceImages,
        SegmentSummaries,
        Speech,
        Summary,
        Targets,
    )
    from s2vkit.interfaces.generator import Generator
    from s2vkit.interfaces.gradient_penalty import PenalisedLoss
    from s2vkit.interfaces.graph import Graph
    from s2vkit.interfaces.landmarks import Landmarks
    from s2vkit.interfaces.logger import LoggedStage, Logger
    from s2vkit.interfaces.loss import AdversarialLoss, IndependenceLoss, PairLoss
    from s2vkit.interfaces.metric import Metric, Outcome, Probe, ProbeData, Score
    from s2vkit.interfaces.score_files import clips_csv, score_facts
    from s2vkit.interfaces.specs import DataSpec
    from s2vkit.interfaces.stage import Job, Phase, Stage, Threshold, Work
    from s2vkit.interfaces.student import Student
    from s2vkit.interfaces.sync_evaluator import SyncEvaluator
    from s2vkit.interfaces.teacher import Teacher
    from s2vkit.interfaces.watermark import Detection, Watermark
    from s2vkit.interfaces.weights import Weights, fit_weights, open_weights, read_weights, rename
    from s2vkit.nn.recall import likeness
    from s2vkit.speech.activity import voiced_frames
    from s2vkit.speech.conditions import RECORDING_CONDITIONS

__version__ = "0.1.0"

_FIELDS = [
    "AudioWindows", "BatchField", "BatchSizes", "BatchSource", "ClipSample", "Context",
    "FeatureField", "Features", "Frames", "FrozenFeatures", "IdentityMaps",
    "Mismatched", "ReferenceImages", "SegmentSummaries", "Speech", "Summary", "Targets",
]  # fmt: skip
_LAZY = {
    **dict.fromkeys(["AudioEncoder", "SpeechStep", "SpeechStream"], "interfaces.audio_encoder"),
    **dict.fromkeys(["Batch", "Conditioning", "GeneratorOutput"], "interfaces.batch"),
    **dict.fromkeys(["align", "pick_time", "speech_steps"], "interfaces.batch"),
    **dict.fromkeys(["ClipFiles", "Dataset", "Footage", "RawClip", "Source", "Survey"], "interfaces.dataset"),
    **dict.fromkeys(["current_part", "draw_rows", "gather_rows"], "interfaces.data_parallel"),
    **dict.fromkeys(["mean_over_processes", "means_over_processes"], "interfaces.data_parallel"),
    **dict.fromkeys(["Discriminator", "Inputs", "detached", "join", "windows"], "interfaces.discriminator"),
    **dict.fromkeys(["Drift", "Windowed"], "interfaces.drift"),
    **dict.fromkeys(["FaceDetector", "Faces"], "interfaces.face_detector"),
    **dict.fromkeys(_FIELDS, "interfaces.fields"),
    "Generator": "interfaces.generator",
    "Graph": "interfaces.graph",
    "Landmarks": "interfaces.landmarks",
    "DataSpec": "interfaces.specs",
    **dict.fromkeys(["LoggedStage", "Logger"], "interfaces.logger"),
    **dict.fromkeys(["AdversarialLoss", "IndependenceLoss", "PairLoss"], "interfaces.loss"),
    **dict.fromkeys(["ProbeData", "Metric", "Outcome", "Probe", "Score"], "interfaces.metric"),
    **dict.fromkeys(["clips_csv", "score_facts"], "interfaces.score_files"),
    **dict.fromkeys(["Job", "Phase", "Stage", "Threshold", "Work"], "interfaces.stage"),
    **dict.fromkeys(["Callback", "TrainingState"], "interfaces.callback"),
    "PenalisedLoss": "interfaces.gradient_penalty",
    "Student": "interfaces.student",
    "SyncEvaluator": "interfaces.sync_evaluator",
    "RECORDING_CONDITIONS": "speech.conditions",
    "find_carried": "installed",
    "likeness": "nn.recall",
    "voiced_frames": "speech.activity",
    "TalkingFaceModel": "inference.model",
    "Teacher": "interfaces.teacher",
    **dict.fromkeys(["Detection", "Watermark"], "interfaces.watermark"),
    **dict.fromkeys(["Weights", "fit_weights", "open_weights"], "interfaces.weights"),
    **dict.fromkeys(["read_weights", "rename"], "interfaces.weights"),
}


def load(path: str | PathLike[str], *, device: str = "auto", precision: str = "fp32") -> TalkingFaceModel:
    """Load the trained model of a run folder, or of a bundle (a copy of a run's `model`).

    Only the plugins of its own components are imported. `device` is auto, cpu, cuda, cuda:N or mps;
    `precision` fp32, bf16, fp16 or auto. Raises RunFolderError without a model, PluginError without a plugin.
    """
    from s2vkit.inference.model import load_model

    return load_model(Path(path), device=device, precision=precision)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 's2vkit' has no attribute '{name}'")
    return getattr(import_module(f"s2vkit.{_LAZY[name]}"), name)


__all__ = [
    "RECORDING_CONDITIONS",
    "AdversarialLoss",
    "AdversarialLossOptions",
    "AdversarialLossSlot",
    "AudioEncoder",
    "AudioEncoderSlot",
    "AudioWindows",
    "Batch",
    "BatchField",
    "BatchSizes",
    "BatchSource",
    "Better",
    "Callback",
    "Carrier",
    "Checkpoint",
    "ClipFiles",
    "ClipSample",
    "CodeLossSlot",
    "Conditioning",
    "Context",
    "DataSpec",
    "Dataset",
    "Detection",
    "Discriminator",
    "DiscriminatorSlot",
    "Drift",
    "FaceDetector",
    "FaceDetectorSlot",
    "Faces",
    "FeatureField",
    "Features",
    "Field",
    "FileName",
    "Footage",
    "FootageOptions",
    "FrameLossSlot",
    "Frames",
    "FrozenFeatures",
    "Generator",
    "GeneratorOutput",
    "GeneratorSlot",
    "Graph",
    "IdentityMaps",
    "IndependenceLoss",
    "IndependenceLossSlot",
    "InputError",
    "Inputs",
    "Job",
    "Landmarks",
    "LandmarksSlot",
    "LoggedStage",
    "Logger",
    "LoggerSlot",
    "LossOptions",
    "Metric",
    "MetricSlot",
    "Mismatched",
    "OptimizerOptions",
    "OptimizerSlot",
    "Options",
    "Outcome",
    "PairLoss",
    "PenalisedLoss",
    "Phase",
    "PluginError",
    "Probe",
    "ProbeData",
    "RawClip",
    "RecipeError",
    "Reference",
    "ReferenceImages",
    "Register",
    "RegisterCommand",
    "ResourceError",
    "RunFolderError",
    "S2vkitError",
    "Score",
    "SegmentSummaries",
    "Slot",
    "Source",
    "Speech",
    "SpeechLevelOptions",
    "SpeechStep",
    "SpeechStream",
    "Stage",
    "StageOptions",
    "Student",
    "StudentSlot",
    "Summary",
    "Survey",
    "SyncEvaluator",
    "SyncEvaluatorSlot",
    "TalkingFaceModel",
    "Targets",
    "Teacher",
    "TeacherSlot",
    "Threshold",
    "TrainingError",
    "TrainingState",
    "ValidationOptions",
    "Watermark",
    "WatermarkSlot",
    "Weights",
    "Windowed",
    "Work",
    "__version__",
    "align",
    "clips_csv",
    "current_part",
    "detached",
    "draw_rows",
    "find_carried",
    "fit_weights",
    "gather_rows",
    "hookimpl",
    "join",
    "likeness",
    "load",
    "mean_over_processes",
    "means_over_processes",
    "open_weights",
    "pick_time",
    "read_weights",
    "rename",
    "score_facts",
    "speech_steps",
    "voiced_frames",
    "weights_file",
    "windows",
]
