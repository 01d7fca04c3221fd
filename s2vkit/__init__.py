"""s2vkit: talking-face video from speech, and the training of the models that make it.

This facade is all that a plugin imports. What needs no torch is here at once; the
contracts and helpers that need it are loaded when first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from s2vkit.checkpoints import Checkpoint
from s2vkit.errors import (
    InputError,
    PluginError,
    RecipeError,
    ResourceError,
    RunFolderError,
    S2vkitError,
    TrainingError,
)
from s2vkit.hookspecs import Register, RegisterCommand, hookimpl
from s2vkit.options import (
    AdversarialLossSlot,
    AudioEncoderSlot,
    Better,
    CodeLossSlot,
    DiscriminatorSlot,
    FaceDetectorSlot,
    Field,
    FileName,
    FootageOptions,
    FrameLossSlot,
    GeneratorSlot,
    IndependenceLossSlot,
    Later,
    LossOptions,
    MetricSlot,
    OptimizerOptions,
    OptimizerSlot,
    Options,
    Slot,
    StageOptions,
    StudentSlot,
    SyncJudgeSlot,
    TeacherSlot,
)

if TYPE_CHECKING:
    from s2vkit.parts.audio_encoder import AudioEncoder, SpeechStream
    from s2vkit.parts.clip import Clips, Codes, Made, align, pick_time, speech_steps
    from s2vkit.parts.dataset import ClipFiles, Dataset, Footage, RawClip, Source, Survey
    from s2vkit.parts.discriminator import Discriminator
    from s2vkit.parts.face_detector import FaceDetector, Faces
    from s2vkit.parts.generator import Generator
    from s2vkit.parts.graph import Graph, World
    from s2vkit.parts.loss import AdversarialLoss, IndependenceLoss, PairLoss
    from s2vkit.parts.metric import Heard, Metric, Outcome, Probe, Score
    from s2vkit.parts.stage import Job, Limit, Stage, Turn, Work
    from s2vkit.parts.student import Student
    from s2vkit.parts.sync_judge import SyncJudge
    from s2vkit.parts.teacher import Teacher
    from s2vkit.parts.weights import (
        Weights,
        fit_weights,
        open_weights,
        read_weights,
        rename,
    )

__version__ = "0.1.0"

_LAZY = {
    **dict.fromkeys(["AudioEncoder", "SpeechStream"], "audio_encoder"),
    **dict.fromkeys(["Clips", "Codes", "Made", "align", "pick_time", "speech_steps"], "clip"),
    **dict.fromkeys(["ClipFiles", "Dataset", "Footage", "RawClip", "Source", "Survey"], "dataset"),
    "Discriminator": "discriminator",
    **dict.fromkeys(["FaceDetector", "Faces"], "face_detector"),
    "Generator": "generator",
    **dict.fromkeys(["Graph", "World"], "graph"),
    **dict.fromkeys(["AdversarialLoss", "IndependenceLoss", "PairLoss"], "loss"),
    **dict.fromkeys(["Heard", "Metric", "Outcome", "Probe", "Score"], "metric"),
    **dict.fromkeys(["Job", "Limit", "Stage", "Turn", "Work"], "stage"),
    "Student": "student",
    "SyncJudge": "sync_judge",
    "Teacher": "teacher",
    **dict.fromkeys(
        ["Weights", "fit_weights", "open_weights", "read_weights", "rename"], "weights"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 's2vkit' has no attribute '{name}'")
    return getattr(import_module(f"s2vkit.parts.{_LAZY[name]}"), name)


__all__ = [
    "AdversarialLoss", "AdversarialLossSlot", "AudioEncoder", "AudioEncoderSlot", "Better",
    "Checkpoint", "ClipFiles", "Clips", "CodeLossSlot", "Codes", "Dataset", "Discriminator",
    "DiscriminatorSlot", "FaceDetector", "FaceDetectorSlot", "Faces", "Field", "FileName",
    "Footage", "FootageOptions", "FrameLossSlot", "Generator", "GeneratorSlot", "Graph", "Heard",
    "IndependenceLoss", "IndependenceLossSlot", "InputError", "Job", "Later", "Limit",
    "LossOptions", "Made", "Metric", "MetricSlot", "OptimizerOptions", "OptimizerSlot", "Options",
    "Outcome", "PairLoss", "PluginError", "Probe", "RawClip", "RecipeError", "Register",
    "RegisterCommand", "ResourceError", "RunFolderError", "S2vkitError", "Score", "Slot", "Source",
    "SpeechStream", "Stage", "StageOptions", "Student", "StudentSlot", "Survey", "SyncJudge",
    "SyncJudgeSlot", "Teacher", "TeacherSlot", "TrainingError", "Turn", "Weights", "Work", "World",
    "__version__", "align", "fit_weights", "hookimpl", "open_weights", "pick_time", "read_weights",
    "rename", "speech_steps",
]  # fmt: skip
