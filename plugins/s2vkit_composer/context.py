"""A decoder beside the paper's: each frame hears what is around it, and knows who speaks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Codes
from s2vkit_composer import ContextDecoderOptions
from s2vkit_composer.decoder import FrameDecoder, given
from s2vkit_composer.identity import Shape


class ContextDecoder(FrameDecoder):
    """The frame decoder with another start; its doublings and identity branch are the paper's.

    A frame starts from the speech of `reach` frames before and after it too: a mouth closes
    before its sound is heard. It starts from the identity code as well, which the paper's
    learns of from the identity maps only. And speech and each code come to one length first,
    speech by its mean and variance over the batch: else the few numbers of the emotion code are
    lost among the many of speech, or speech under their size. Sizes and sides are as the frame
    decoder's.
    """

    name = "context_decoder"

    def __init__(
        self, options: ContextDecoderOptions, *, size: int, features: int, identity: int,
        emotion: int, map_shapes: list[Shape],
    ) -> None:  # fmt: skip
        heard = (2 * options.reach + 1) * features
        super().__init__(
            options, size=size, features=heard + identity, identity=identity, emotion=emotion,
            map_shapes=map_shapes,
        )  # fmt: skip
        self.reach, self.speech = options.reach, options.speech
        self.level = nn.BatchNorm1d(heard, affine=False)

    def _vector(self, codes: Codes) -> Tensor:
        clips, times = codes.features.shape[:2]
        around = given(codes.around, "neighbouring features") if self.reach else codes.features
        heard = self.level(around.reshape(clips * times, -1).float())
        parts = [(heard * self.speech * heard.shape[-1] ** -0.5).unflatten(0, (clips, times))]
        who = given(codes.identity, "identity code") if self.branch else None
        how = given(codes.emotion, "emotion code") if self.emotion else None
        for code in (who, how):
            if code is not None:
                unit = F.normalize(code.float(), dim=-1).unsqueeze(1)
                parts.append(unit.expand(-1, times, -1))
        start = torch.cat(parts, -1)
        return start * (start.shape[-1] / len(parts)) ** 0.5
