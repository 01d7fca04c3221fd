"""Reading wav2vec 2.0, HuBERT and WavLM files under torchaudio's names."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from s2vkit import Weights, open_weights, rename

_OTHERS = re.compile(  # parts of Hugging Face's files that only their training needs
    r"(masked_spec_embed|lm_head\.|quantizer\.|project_|projector|classifier|label_embs|"
    r"layer_weights|feature_extractor\.conv_layers\.\d+\.dummy)"
)
_PROJECTIONS = re.compile(r"(.*\.layers\.\d+\.attention)\.([qkv])_proj\.(weight|bias)")


def open_ssl(path: str | Path) -> Weights:
    """Read a file under the names of torchaudio's published ones, whoever wrote it."""
    stored = open_weights(path)
    stored.tensors = rename(stored.tensors, _name)
    if any(".gru_rel_pos_const" in name for name in stored.tensors):
        stored.tensors = _fuse(stored.tensors)
    return stored


def _name(name: str) -> str | None:
    """Return torchaudio's published name, or None for what only training needs."""
    name = re.sub(r"^(model|wav2vec2|hubert|wavlm)\.", "", name)
    if _OTHERS.match(name) or name.startswith("aux."):
        return None
    if name.startswith("feature_projection."):
        name = f"encoder.{name}"
    elif name.startswith("encoder.") and not name.startswith(
        ("encoder.feature_projection.", "encoder.transformer.")
    ):
        name = f"encoder.transformer.{name.removeprefix('encoder.')}"
    for new, old in (
        (".parametrizations.weight.original0", ".weight_g"),
        (".parametrizations.weight.original1", ".weight_v"),
    ):
        name = name.replace(new, old)
    return name


def _fuse(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put the three projections of each of WavLM's attentions into one, as torchaudio has them."""
    renamed: dict[str, Tensor] = {}
    apart: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        found = _PROJECTIONS.fullmatch(name)
        if found:
            attention, which, kind = found.groups()
            apart.setdefault(f"{attention}.attention.in_proj_{kind}", {})[which] = tensor
        else:
            inner = re.sub(r"(\.layers\.\d+\.attention)\.out_proj\.", r"\1.attention.out_proj.", name)
            renamed[inner] = tensor
    for name, parts in apart.items():
        if set(parts) == set("qkv"):
            renamed[name] = torch.cat([parts[which] for which in "qkv"])
    return renamed
