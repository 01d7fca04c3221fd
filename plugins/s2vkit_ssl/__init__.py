"""Speech encoders that taught themselves: wav2vec 2.0, HuBERT and WavLM, as torchaudio has them."""

from typing import Literal

from s2vkit import Checkpoint, Field, Options, Register, hookimpl


class SslOptions(Options):
    """Options of a self-supervised encoder."""

    checkpoint: str | None = Field(
        default=None, description="file with the weights, torchaudio's or Hugging Face's; none: random"
    )
    size: Literal["tiny", "base", "large", "xlarge"] = Field(
        default="base", description="size of a random network; a file has its own"
    )
    norm: Literal["group", "layer"] | None = Field(
        default=None,
        description="norm of a random network's convolutions; none: group if tiny or base; "
        "a file has its own",
    )
    layer: int | None = Field(
        default=None, ge=1, description="transformer layer whose output is used; none: the last"
    )
    summary: Literal["mean", "statistics"] = Field(
        default="mean", description="what stands for a whole clip: mean, or mean and deviation"
    )


_BASE = "https://download.pytorch.org/torchaudio/models/"
_READER = "s2vkit_ssl.checkpoint:open_ssl"
_NOTE = "the state dict of the same model from Hugging Face is read as well"
_FILES = {
    "wav2vec2": (
        ("wav2vec2_fairseq_base_ls960.pth", "keys_base.json"),
        ("wav2vec2_fairseq_large_lv60k.pth", "keys_large.json"),
    ),
    "hubert": (
        ("hubert_fairseq_base_ls960.pth", "keys_base.json"),
        ("hubert_fairseq_large_ll60k.pth", "keys_hubert_large.json"),
    ),
    "wavlm": (
        ("wavlm_base.pth", "keys_wavlm_base.json"),
        ("wavlm_base_plus.pth", "keys_wavlm_base.json"),
        ("wavlm_large.pth", "keys_wavlm_large.json"),
    ),
}
_PUBLISHED = {
    "wav2vec2": ("wav2vec 2.0", "Wav2Vec2", "Baevski et al. 2020"),
    "hubert": ("HuBERT", "Hubert", "Hsu et al. 2021"),
    "wavlm": ("WavLM", "WavLm", "Chen et al. 2022"),
}


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the encoders."""
    for name, files in _FILES.items():
        title, network, paper = _PUBLISHED[name]
        register(
            "audio_encoder",
            name,
            f"s2vkit_ssl.encoder:{network}",
            SslOptions,
            gives=("features", "summary"),
            summary=f"{title}: 50 features a second of a transformer over all of the speech",
            reference=f"{paper}; network and checkpoints of torchaudio",
            checkpoints=tuple(
                Checkpoint(file, f"s2vkit_ssl:{keys}", _BASE + file, "MIT", reader=_READER, note=_NOTE)
                for file, keys in files
            ),
        )
