"""A small frozen registry for the recipe tests: real names, no plugin, no torch.

The goldens in `recipes_bad/` are made against it, so a plugin may change freely.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from s2vkit.options import (
    AdversarialLossSlot,
    CodeLossSlot,
    Field,
    FrameLossSlot,
    LossOptions,
    MetricSlot,
    OptimizerOptions,
    OptimizerSlot,
    Options,
    StageOptions,
)
from s2vkit.registry import Entry, Failure, Registry


class TeacherOptions(Options):
    checkpoint: str | None = Field(default=None, description="weights file")
    width: float = Field(default=1.0, gt=0, le=2, description="width")


class MlpOptions(Options):
    hidden: list[int] = Field(default=[256], min_length=1, description="sizes of hidden layers")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="dropout")


class DecoderOptions(Options):
    channels: int = Field(default=64, ge=8, description="channels")
    norm: Literal["batch", "instance", "none"] = Field(default="batch", description="norm")


class PatchOptions(Options):
    layers: int = Field(default=3, ge=1, description="layers")
    spectral: bool = Field(default=False, description="spectral norm")


class SyntheticOptions(Options):
    speakers: int = Field(default=8, ge=2, description="number of speakers")
    size: Literal[32, 64, 128] = Field(default=64, description="height and width")
    fps: float = Field(default=25.0, gt=0, description="frames a second")
    crop: int | Literal["auto"] = Field(default="auto", description="pixels, or auto")


class FolderOptions(Options):
    path: str = Field(description="folder of clips")


class LsganOptions(LossOptions):
    target: float | None = Field(default=0.9, description="score aimed at; null: 1")


class L1Options(LossOptions):
    region: Literal["upper", "full"] = Field(default="upper", description="rows that count")


class RmspropOptions(OptimizerOptions):
    alpha: float = Field(default=0.99, ge=0, lt=1, description="decay")


class AdamOptions(OptimizerOptions):
    betas: tuple[float, float] = Field(default=(0.9, 0.999), description="decays")


class DistillLosses(Options):
    match: CodeLossSlot | None = Field(default=None, description="distance of codes")
    distill: CodeLossSlot | None = Field(default=None, description="soft targets")


class DistillOptions(StageOptions):
    optimizer: OptimizerSlot = Field(description="trains every student")
    losses: DistillLosses = Field(description="the terms")


class ComposeLosses(Options):
    adversarial: AdversarialLossSlot = Field(description="the adversarial loss")
    similarity: FrameLossSlot | None = Field(default=None, description="upper half")
    gradient: FrameLossSlot | None = Field(default=None, description="smooth gradient")


class AdversarialOptions(StageOptions):
    optimizer_keys: ClassVar[Literal["networks"]] = "networks"
    optimizers: dict[str, OptimizerSlot] = Field(description="one for each network")
    losses: ComposeLosses = Field(description="the terms")
    discriminators: list[str] = Field(default=[], description="those that take part")
    weights: dict[str, float] = Field(default={}, description="weight of each discriminator")


class EvaluateOptions(Options):
    after: list[str] = Field(default=[], description="stages before")
    metrics: dict[str, MetricSlot] = Field(description="what to measure")


class Words:
    """What the fake components give and want."""

    ENCODER = ("features", "summary")
    MAPS = ("embedding", "maps")
    CODES = ("pair", "codes")
    PIXELS = ("pair", "frames")
    CORPUS = ("speech", "frames", "identity", "emotion", "mouth_aperture")


def fake_registry(failed: bool = False) -> Registry:
    """Make the registry that the goldens are made against."""
    made = Registry()
    rows: list[tuple[str, str, type[Options], tuple[str, ...], tuple[str, ...]]] = [
        ("audio_encoder", "cpc", Options, Words.ENCODER, ()),
        ("audio_encoder", "loudness", Options, ("summary",), ()),
        ("teacher", "vggface", TeacherOptions, Words.MAPS, ()),
        ("teacher", "senet50", TeacherOptions, ("embedding",), ()),
        ("student", "mlp", MlpOptions, ("code",), ()),
        ("generator", "frame_decoder", DecoderOptions, ("frames", "identity_maps"), ("features",)),
        ("generator", "sketch", Options, ("frames",), ()),
        ("generator", "mood_decoder", Options, ("frames", "identity_maps"), ("emotion",)),
        ("discriminator", "identity_maps", PatchOptions, (), ("identity_maps",)),
        ("discriminator", "patch", PatchOptions, (), ("frames",)),
        ("discriminator", "speech_sync", PatchOptions, (), ("frames", "features")),
        ("loss", "lsgan", LsganOptions, ("adversarial",), ()),
        ("loss", "hinge", LossOptions, ("adversarial",), ()),
        ("loss", "l1", L1Options, Words.PIXELS, ()),
        ("loss", "smooth_gradient", LossOptions, Words.PIXELS, ()),
        ("loss", "normalized_l2", LossOptions, Words.CODES, ()),
        ("loss", "soft_targets", LossOptions, Words.CODES, ()),
        ("optimizer", "rmsprop", RmspropOptions, (), ()),
        ("optimizer", "adam", AdamOptions, (), ()),
        ("dataset", "synthetic", SyntheticOptions, Words.CORPUS, ()),
        ("dataset", "folder", FolderOptions, ("speech", "frames", "identity"), ()),
        ("metric", "ssim", Options, (), ()),
        ("metric", "identity_accuracy", Options, (), ("evaluator.identity", "identity")),
        ("metric", "mouth_aperture_correlation", Options, (), ("evaluator.mouth_aperture", "mouth_aperture")),
        ("stage", "distill", DistillOptions, (), ()),
        ("stage", "adversarial", AdversarialOptions, (), ()),
        ("stage", "evaluate", EvaluateOptions, (), ()),
    ]
    made.add_all([Entry(k, n, f"fake:{n}", o, "fake 1.0", g, w) for k, n, o, g, w in rows], [])
    if failed:
        made.failures.append(Failure("s2vkit-faces 0.3 (faces)", "ImportError: no module 'faces'"))
    return made
