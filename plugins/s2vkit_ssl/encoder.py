"""torchaudio's wav2vec 2.0, HuBERT and WavLM as audio encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.models import wav2vec2_model, wavlm_model

from s2vkit import AudioEncoder, InputError, RecipeError, fit_weights, rename
from s2vkit_ssl import SslOptions
from s2vkit_ssl.checkpoint import open_ssl

HOP, RECEPTIVE_FIELD = 320, 400  # samples between steps, and of which one step is made
STRIDES = (5, 2, 2, 2, 2, 2, 2)
KERNELS = (10, 3, 3, 3, 3, 2, 2)
POSITIONS = "encoder.transformer.pos_conv_embed.conv."
SIZES = {  # channels of the convolutions, width, layers, inner width, positions (kernel, groups)
    "tiny": (16, 32, 2, 48, (16, 4)),
    "base": (512, 768, 12, 3072, (128, 16)),
    "large": (512, 1024, 24, 4096, (128, 16)),
    "xlarge": (512, 1280, 48, 5120, (128, 16)),
}
HEADS = {"tiny": 2, "base": 12, "large": 16, "xlarge": 16}


class Ssl(AudioEncoder):
    """A transformer over all of a clip, 50 steps a second.

    Step a is made of the 25 ms around (a + 0.5) / 50 s: speech gets 2.5 ms of silence on
    either side, which brings the network's steps to that grid. Clips of other lengths are
    heard apart, since the networks' norms and positions would see each other's padding.
    """

    sample_rate = 16000
    rate = 50.0
    causal = False
    wavlm: ClassVar[bool] = False
    large_bias: ClassVar[bool] = False  # whether a large network's convolutions have biases

    def __init__(self, options: SslOptions) -> None:
        super().__init__()
        path = options.checkpoint
        found = open_ssl(path).tensors if path else {}
        norm = options.norm or ("group" if options.size in ("tiny", "base") else "layer")
        size, norm = _size_of(found, str(path)) or (options.size, norm)
        self.as_built = {"size": size, "norm": norm}
        layout = _layout(size, norm, bias=self.large_bias and norm == "layer")
        if self.wavlm:
            layout |= {"encoder_num_buckets": 320, "encoder_max_distance": 800}
        self.net = (wavlm_model if self.wavlm else wav2vec2_model)(**layout)
        self.layers = layout["encoder_num_layers"]
        self.layer = options.layer or self.layers
        if self.layer > self.layers:
            raise RecipeError(f"layer {self.layer} is asked, but the network has {self.layers}")
        self.normalize = layout["extractor_mode"] == "layer_norm"  # as these were trained
        self.dim = layout["encoder_embed_dim"]
        self.deviation = options.summary == "statistics"
        self.summary_dim = self.dim * (1 + self.deviation)
        self.pretrained = path is not None
        if path:
            fit_weights(self.net, rename(found, _built), source=path)

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (B, S) of (B,) lengths: features (B, A, dim), summary (B, summary_dim)."""
        longest = max(int(lengths.max()), HOP)
        features = speech.new_zeros(len(speech), longest // HOP, self.dim)
        summary = speech.new_zeros(len(speech), self.summary_dim)
        for length in lengths.unique().tolist():
            rows = (lengths == length).nonzero().squeeze(1)
            encoded = self._encode(speech[rows, :length])
            padded = F.pad(encoded, (0, 0, 0, features.shape[1] - encoded.shape[1]))
            features = features.index_copy(0, rows, padded.to(features))
            summary = summary.index_copy(0, rows, self._summarise(encoded).to(summary))
        return features, summary

    def _encode(self, speech: Tensor) -> Tensor:
        """Encode clips of one length (B, S): (B, S // 320, dim)."""
        if self.normalize:
            speech = F.layer_norm(speech, speech.shape[1:])
        short = max(0, HOP - speech.shape[1])
        side = (RECEPTIVE_FIELD - HOP) // 2
        padded = F.pad(speech, (side, side + short))
        if self.layer == self.layers:  # large networks end with a norm of their own
            return self.net(padded)[0]
        return self.net.extract_features(padded, num_layers=self.layer)[0][-1]

    def _summarise(self, encoded: Tensor) -> Tensor:
        mean = encoded.mean(1)
        if not self.deviation:
            return mean
        return torch.cat([mean, (encoded.var(1, unbiased=False) + 1e-6).sqrt()], 1)


class Wav2Vec2(Ssl):
    """wav2vec 2.0; the large one is that of Libri-Light (lv60k)."""

    large_bias = True


class Hubert(Ssl):
    """HuBERT; the network is that of wav2vec 2.0."""


class WavLm(Ssl):
    """WavLM, whose attention knows distances."""

    wavlm = True


def _layout(size: str, norm: str, *, bias: bool) -> dict[str, Any]:
    """Return the arguments of torchaudio's factory."""
    channels, width, layers, inner, (kernel, groups) = SIZES[size]
    dropouts = (
        "encoder_projection_dropout",
        "encoder_attention_dropout",
        "encoder_ff_interm_dropout",
        "encoder_dropout",
        "encoder_layer_drop",
    )
    return {
        "extractor_mode": f"{norm}_norm",
        "extractor_conv_layer_config": [(channels, k, s) for k, s in zip(KERNELS, STRIDES, strict=True)],
        "extractor_conv_bias": bias,
        "encoder_embed_dim": width,
        "encoder_pos_conv_kernel": kernel,
        "encoder_pos_conv_groups": groups,
        "encoder_num_layers": layers,
        "encoder_num_heads": HEADS[size],
        "encoder_ff_interm_features": inner,
        "encoder_layer_norm_first": norm == "layer",
        **dict.fromkeys(dropouts, 0.0),
        "aux_num_out": None,
    }


def _size_of(tensors: Mapping[str, Tensor], path: str) -> tuple[str, str] | None:
    """Read size and norm from a file's tensors; None if too little is there to tell."""
    first = tensors.get("feature_extractor.conv_layers.0.conv.weight")
    positions = tensors.get(f"{POSITIONS}weight_v")
    inner = tensors.get("encoder.transformer.layers.0.feed_forward.intermediate_dense.weight")
    if first is None or positions is None or inner is None:
        return None
    width = inner.shape[1]
    layers = len({k.split(".")[3] for k in tensors if k.startswith("encoder.transformer.layers.")})
    where = (positions.shape[2], width // positions.shape[1])
    layout = (first.shape[0], width, layers, inner.shape[0], where)
    size = next((name for name, known in SIZES.items() if known == layout), None)
    if size is None:
        raise InputError(
            f"{path}: a network of width {width} with {layers} layers is none of those known",
            hint=f"known sizes: {', '.join(SIZES)}",
        )
    by_layer = "feature_extractor.conv_layers.1.layer_norm.weight" in tensors
    return size, "layer" if by_layer else "group"


def _built(name: str) -> str:
    """Return the name that torch's weight norm has today for a published one."""
    old = {f"{POSITIONS}weight_g": "original0", f"{POSITIONS}weight_v": "original1"}
    return f"{POSITIONS}parametrizations.weight.{old[name]}" if name in old else name
