"""Running the frozen networks of a graph over clips: of the whole corpus, or of one batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import nn

from s2vkit.data.array_writers import ArrayWriter, MemoryArrays
from s2vkit.data.batch_clips import BatchClips, Picks
from s2vkit.data.clip_reader import ClipReader
from s2vkit.data.frozen import encode_faces, encode_maps, pick_frames
from s2vkit.data.frozen_speech import (
    encode_segments,
    encode_speech,
    encode_variants,
    pick_segments,
    pick_variants,
)
from s2vkit.device import Policy
from s2vkit.interfaces.fields import FrozenFeatures
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.seed import generator
from s2vkit.settings import Alignment

_BYTES = {"float16": 2, "float32": 4}


class FrozenNetworks:
    """Computes what frozen networks give: into a cache, or live for the clips of a batch."""

    def __init__(self, graph: Graph, policy: Policy, alignment: Alignment, seed: int) -> None:
        self.graph, self.policy, self.alignment, self.seed = graph, policy, alignment, seed

    def part(self, features: FrozenFeatures) -> str:
        """Name the network that gives features."""
        return f"teacher.{features.side}" if features.side else "encoder"

    def network(self, features: FrozenFeatures) -> nn.Module:
        """Return the network that gives features, ready to be run."""
        module = self.graph.modules()[self.part(features)]
        return self.policy.place(module).eval().requires_grad_(False)

    def picks(self, features: FrozenFeatures, clips: ClipReader) -> np.ndarray:
        """Say which frames or segments of every clip of a corpus features are computed of."""
        if features.what == "segments":
            random = generator(self.seed, "stretches")  # a stream's name: part of the seed
            return pick_segments(clips, features.count, random, features.vary, features.shortest)
        if features.what == "variants":
            return pick_variants(clips, features.count, generator(self.seed, "variants"))
        random = generator(self.seed, "views", features.side)
        return pick_frames(clips, max(1, features.count), random)

    def encode(
        self,
        features: FrozenFeatures,
        clips: ClipReader,
        picks: np.ndarray,
        out: ArrayWriter,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Compute features of all clips; a row of `picks` is of the clip of the same number."""
        device, network, alignment = self.policy.device, self.network(features), self.alignment
        if features.what == "speech":
            encode_speech(clips, network, out, device=device, alignment=alignment, progress=progress)  # type: ignore[arg-type]
        elif features.what == "variants":
            encode_variants(
                clips,
                network,  # type: ignore[arg-type]
                out,
                device=device,
                alignment=alignment,
                picks=picks,
                progress=progress,
            )
        elif features.what == "segments":
            encode_segments(clips, network, out, device=device, picks=picks, progress=progress)  # type: ignore[arg-type]
        elif features.what == "targets":
            encode_faces(clips, network, out, device=device, picks=picks, progress=progress)  # type: ignore[arg-type]
        else:
            encode_maps(clips, network, out, device=device, progress=progress)  # type: ignore[arg-type]

    def encode_batch(self, clips: BatchClips, picks: Picks) -> dict[FrozenFeatures, MemoryArrays]:
        """Compute features of the clips of a batch, in memory, rounded as the caches round them."""
        found = {}
        for features, chosen in picks.items():
            found[features] = MemoryArrays()
            self.encode(features, clips, chosen[clips.numbers], found[features])
        return found

    def size(self, features: FrozenFeatures, clips: int, frames: int) -> int:
        """Reckon the bytes that features of so many clips, of so many frames in all, take in a cache."""
        network: nn.Module = self.graph.modules()[self.part(features)]
        if features.what == "speech":
            encoder = self.graph.encoder
            return frames * encoder.dim * _BYTES["float16"] + clips * encoder.summary_dim * _BYTES["float32"]
        if features.what == "variants":
            return features.count * frames * self.graph.encoder.dim * _BYTES["float16"]
        if features.what == "segments":
            return clips * features.count * self.graph.encoder.summary_dim * _BYTES["float16"]
        if features.what == "targets":
            return clips * max(1, features.count) * int(network.dim) * _BYTES["float32"]  # type: ignore[arg-type]
        shapes = self.graph.teachers[features.side].map_shapes
        return clips * sum(int(np.prod(shape)) for shape in shapes) * _BYTES["float16"]
