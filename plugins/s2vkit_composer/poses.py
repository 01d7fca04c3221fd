"""How a head is held: seen in the real frames in training, recalled for each person afterwards."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import likeness

_SIGHT = (16, 24)  # height and width that the upper part of a frame is shrunk to
_UPPER = 0.58  # of the height: what is below moves with the speech
_NOISE = 0.3  # beside codes of variance 1: too few bits to know a frame, and its mouth, by heart
_SLOTS = 512  # people that are remembered
_TEMPERATURE = 0.05  # of the choice among them


class Poses(nn.Module):
    """Codes of what speech does not tell: pose of the head, gaze, hair.

    Without them a decoder draws the average of all poses of a person, in which the eyes of those
    who move dissolve (our choice; not in the paper). In training a code is seen in the real
    frame, above the mouth. Afterwards each person has one: that of the frame nearest to the mean
    of their codes, so one that the decoder has learnt to draw.
    """

    keys: Tensor
    poses: Tensor
    count: Tensor

    def __init__(self, size: int, code: int) -> None:
        super().__init__()
        self.see = nn.Sequential(
            nn.Linear(_SIGHT[0] * _SIGHT[1], 64), nn.LeakyReLU(0.2), nn.Linear(64, size, bias=False)
        )
        self.level = nn.BatchNorm1d(size, affine=False)
        self.register_buffer("keys", torch.zeros(_SLOTS, code))
        self.register_buffer("poses", torch.zeros(_SLOTS, size))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def seen(self, frames: Tensor) -> Tensor:
        """Map real frames (N, 3, H, W) to codes (N, size)."""
        upper = frames[:, :, : round(_UPPER * frames.shape[2])].mean(1, keepdim=True)
        small = F.interpolate(upper.float(), size=_SIGHT, mode="area")
        codes: Tensor = self.level(self.see(small.flatten(1)))
        return codes + _NOISE * torch.randn_like(codes) if self.training else codes

    def recalled(self, code: Tensor) -> Tensor:
        """Map identity codes (B, code) to the poses of the people that they are nearest to: (B, size)."""
        return likeness(code, self.keys, self.count, _TEMPERATURE) @ self.poses

    def remember(self, frames: Tensor, code: Tensor, people: Tensor | None) -> None:
        """Choose the pose of each person of clips (B, V, 3, H, W), by identity codes (B, code).

        Clips whose person (B,) is unknown, -1, are people of their own.
        """
        codes = self.seen(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        own = torch.arange(len(codes), device=codes.device)
        names = own if people is None else torch.where(people < 0, -1 - own, people)
        found = [names == one for one in names.unique()[:_SLOTS]]
        self.keys.zero_()
        self.count.fill_(len(found))
        for slot, clips in enumerate(found):
            held = codes[clips].flatten(0, 1)
            self.poses[slot] = held[(held - held.mean(0)).square().sum(1).argmin()]
            self.keys[slot] = F.normalize(code[clips].float(), dim=-1).mean(0)
