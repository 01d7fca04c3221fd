"""CPC: features of speech, learnt by discriminating what comes next from what does not."""

from typing import Literal

from s2vkit import Checkpoint, Field, OptimizerSlot, Register, SpeechLevelOptions, StageOptions, hookimpl


class CpcOptions(SpeechLevelOptions):
    """Options of the CPC encoder."""

    channels: int | None = Field(
        default=None,
        ge=8,
        multiple_of=8,
        description="channels of the encoding and of the context; none: the file's, else 256",
    )
    context: Literal["lstm", "gru", "rnn"] | None = Field(
        default=None, description="network that carries the past; none: the file's, else lstm"
    )
    layers: int | None = Field(
        default=None, ge=1, description="layers of the context network; none: the file's, else 1"
    )
    norm: Literal["channel", "batch"] | None = Field(
        default=None,
        description="normalisation after each convolution: of each step over its channels, or "
        "over the batch as van den Oord's; none: the file's, else channel",
    )
    front: Literal["waveform", "log_mel"] | None = Field(
        default=None,
        description="what is encoded: samples by five convolutions, as published, or log-mel "
        "energies, which seconds of training suffice for; none: waveform",
    )
    checkpoint: str | None = Field(
        default=None, description="file with the weights, as Libri-Light's 60k_epoch4; none: train"
    )
    summary: Literal["last", "mean", "statistics", "layers"] = Field(
        default="last",
        description="what stands for a whole clip: its last context (the paper's omega), the mean "
        "context, mean and deviation of context and encoding, or these of every layer",
    )


class ContrastiveOptions(StageOptions):
    """Options of the pre-training."""

    optimizer: OptimizerSlot = Field(description="moves the encoder and the predictors")
    vary: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="share of the windows that sound as other recordings might: other tone, room, "
        "noise, band, hum, clipping",
    )
    window: float = Field(default=1.28, gt=0.0, description="seconds of speech drawn of each clip")
    predictions: int = Field(default=12, ge=1, description="how many steps ahead are foretold")
    negatives: int = Field(default=128, ge=1, description="wrong answers beside each right one")
    predictor: Literal["linear", "transformer"] = Field(
        default="transformer", description="what foretells each step ahead"
    )
    score: Literal["mean", "scaled"] = Field(
        default="mean",
        description="a score is the mean over dimensions, as CPC_audio's, or the sum divided by "
        "their root, which learns in hundreds of steps instead of many thousands",
    )
    sampling: Literal["same_speaker", "uniform", "balanced"] = Field(
        default="same_speaker",
        description="whether a batch, hence the negatives, is one speaker's; else every clip "
        "equally often, or every speaker",
    )


_LIBRI_LIGHT = "https://dl.fbaipublicfiles.com/librilight/CPC_checkpoints/"
CHECKPOINTS = (
    *(
        Checkpoint(
            name,
            "s2vkit_cpc:keys.json",
            _LIBRI_LIGHT + name,
            "MIT",
            note="the weights are under 'weights', how it was made under 'config'",
        )
        for name in ("60k_epoch4-d0f474de.pt", "6k_epoch30-9df0493c.pt", "600h-bdd7ced6.pt")
    ),
    Checkpoint(
        "checkpoint_N.pt",
        "s2vkit_cpc:keys_own.json",
        "your own training with CPC_audio",
        "yours",
        may_lack=("*.num_batches_tracked", "*.running_mean", "*.running_var"),
        may_hold=("gAR.baseNet.*_l[1-9]", "*.num_batches_tracked", "*.running_*"),
        note="the weights are under 'gEncoder'; checkpoint_args.json may lie beside it",
    ),
)


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the encoder and its pre-training."""
    register(
        "audio_encoder",
        "cpc",
        "s2vkit_cpc.encoder:Cpc",
        CpcOptions,
        gives=("features", "summary"),
        summary="contrastive predictive coding: 100 learnt features a second",
        reference="van den Oord et al. 2018; Riviere et al. 2020; checkpoints of Libri-Light",
        checkpoints=CHECKPOINTS,
    )
    register(
        "stage",
        "contrastive",
        "s2vkit_cpc.contrastive:Contrastive",
        ContrastiveOptions,
        summary="pre-trains the audio encoder to discriminate the next steps from others (InfoNCE)",
        reference="van den Oord et al. 2018, Eq. 4",
    )
