"""Options of the stage `adversarial`: the terms of Eq. 10, and how each discriminator learns."""

from typing import ClassVar, Literal

from s2vkit import (
    AdversarialLossSlot,
    Field,
    FrameLossSlot,
    OptimizerSlot,
    Options,
    StageOptions,
    ValidationOptions,
)


class LayersLoss(Options):
    """A term that compares activations of networks, or maps like them."""

    weight: float = Field(default=0.0, ge=0.0, description="factor of the term; 0: left out")


class ComposeLosses(Options):
    """The terms of Eq. 10."""

    adversarial: AdversarialLossSlot = Field(
        description="the loss of every discriminator, and of the generator against it"
    )
    similarity: FrameLossSlot | None = Field(default=None, description="Eq. 8")
    gradient: FrameLossSlot | None = Field(default=None, description="Eq. 9")
    identity_maps: LayersLoss = Field(
        default=LayersLoss(),
        description="squared difference of the inflated identity maps and the teacher's, each channel "
        "relative to its variance (not in the paper); left out with an identity teacher's maps",
    )
    reference: FrameLossSlot | None = Field(
        default=None,
        description="compares the reference image that a generator draws for itself with one of the speaker",
    )
    perceptual: LayersLoss = Field(
        default=LayersLoss(),
        description="absolute difference of the identity teacher's maps of generated and real frames",
    )
    feature_matching: LayersLoss = Field(
        default=LayersLoss(),
        description="absolute difference of the discriminators' layers, of those that give them",
    )
    extra: dict[str, FrameLossSlot] = Field(default={}, description="further terms, by name")


class CollapseOptions(Options):
    """When a discriminator counts as collapsed: by its accuracy, averaged over many steps.

    An accuracy of 0.5 is no collapse: it is the equilibrium, where fakes cannot be told from real.
    """

    action: Literal["warn", "stop", "ignore"] = Field(
        default="warn", description="warn and go on, end the training, or do nothing"
    )
    steps: int = Field(default=500, ge=1, description="over how many steps the accuracy is averaged")
    max_accuracy: float = Field(
        default=0.995, gt=0.5, le=1.0, description="above this the generator learns little from it"
    )
    min_accuracy: float = Field(
        default=0.2,
        ge=0.0,
        lt=1.0,
        description="below this it takes fakes for real, and real for fakes; 0.5 is guessing",
    )


class AdversarialOptions(StageOptions):
    """Train the generator against the discriminators (Eqs. 4-10)."""

    optimizer_keys: ClassVar[Literal["", "networks"]] = "networks"
    batch: int = Field(default=16, ge=1, description="clips in a step")
    frames: int = Field(default=4, ge=1, description="frames of each clip in a step")
    gap: int = Field(default=5, ge=1, description="minimum number of frames between a time and a mismatch")
    variants: int = Field(
        default=0,
        ge=0,
        le=16,
        description="versions of each clip's speech to train on beside the recorded one: as other "
        "recordings of it might sound, some after silence",
    )
    discriminators: list[str] = Field(
        default=[],
        description="names of those that take part, where a recipe has several stages like this; none: all",
    )
    optimizers: dict[str, OptimizerSlot] = Field(
        description="one for the generator and one for each discriminator that takes part"
    )
    losses: ComposeLosses = Field(description="the terms of Eq. 10")
    average: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="decay of the running mean of the generator's weights that is kept in the "
        "end; 0: the weights of the last step, as the paper",
    )
    window: int = Field(
        default=1,
        ge=1,
        le=64,
        description="frames are sampled in runs of so many consecutive ones; `frames` is a multiple",
    )
    samples: int = Field(
        default=6, ge=0, le=1000, role="monitor", description="sample pictures during training: how often"
    )
    collapse: CollapseOptions = Field(
        default=CollapseOptions(), role="monitor", description="early warning when a discriminator collapses"
    )
    weights: dict[str, float] = Field(
        default={}, description="weight of a discriminator's term in the generator's loss; 1"
    )
    shares: dict[str, float] = Field(
        default={},
        description="scales a discriminator's term anew each step, before its weight: its gradient at the "
        "generated frames is so many times as long as that of all terms that compare frames",
    )
    validate_every: int = Field(
        default=0,
        ge=0,
        role="monitor",
        description="steps between measurements on the split val: the AUC of discriminators that see "
        "mismatches, the correlation of inflated identity maps with the teacher's; 0: none",
    )
    validation: ValidationOptions = Field(
        default=ValidationOptions(),
        description="what is measured of generated clips of the split val, and which weights are kept by it",
    )
