"""An alternative decoder with output skips: a picture at every size, all summed."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Conditioning
from s2vkit_composer import SkipDecoderOptions
from s2vkit_composer.blocks import picture_layers
from s2vkit_composer.decoder import FrameDecoder, with_neighbours
from s2vkit_composer.identity import Shape


class SkipDecoder(FrameDecoder):
    """The frame decoder with output skips (Karras et al. 2020, StyleGAN2, section 4.1).

    After each doubling a 1x1 convolution shows the maps as a picture, and the frame is the sum
    of all of them, each enlarged (bilinear). Colours and broad shapes are so learned near the
    start map, and the last doublings are left with what is fine. It can take the speech of
    `context_radius` frames before and after each one too. Sizes and sides are the frame decoder's.
    """

    name = "skip_decoder"

    def __init__(
        self,
        options: SkipDecoderOptions,
        *,
        size: int,
        features: int,
        codes: dict[str, int],
        map_shapes: list[Shape],
    ) -> None:
        super().__init__(
            options,
            size=size,
            features=(2 * options.context_radius + 1) * features,
            codes=codes,
            map_shapes=map_shapes,
        )
        self.context_radius = options.context_radius
        widths = [block.first.out_channels for block in list(self.blocks)[:-1]]
        self.to_rgb = picture_layers(widths)

    def _frame(self, raised: Iterator[Tensor]) -> Tensor:
        layers = iter([*self.to_rgb, nn.Identity()])  # the last doubling's are a picture already
        frame: Tensor = next(layers)(next(raised))
        for x, to_rgb in zip(raised, layers, strict=True):
            finer = to_rgb(x)
            frame = finer + F.interpolate(frame, finer.shape[-2:], mode="bilinear", align_corners=False)
        return frame

    def _speech(self, codes: Conditioning) -> Tensor:
        return with_neighbours(codes, self.context_radius)
