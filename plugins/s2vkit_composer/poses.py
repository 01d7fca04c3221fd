"""How a head is held: seen in the real frames in training, recalled for each person afterwards."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import likeness
from s2vkit_composer.blocks import noisy

_SIGHT = (16, 24)  # height and width that the upper part of a frame is shrunk to
_UPPER = 0.58  # of the height: what is below moves with the speech
_HIDDEN = 64
_NOISE = 0.1  # beside codes of variance 1: too few bits to know a frame by heart
_SLOTS = 512  # people that are remembered
_TEMPERATURE = 0.05  # of the choice among them
WALK = 40  # frames of a clip whose poses are gone through
_LEAST = 6  # frames before and after the middle one, however a head is held in them


class Poses(nn.Module):
    """Codes of what speech does not tell: pose of the head, gaze, hair.

    Without them a decoder draws the average of all poses of a person, in which the eyes of those
    who move dissolve (our choice; not in the paper). In training a code is seen in the real
    frame, above the mouth. What sees is given who is seen, so that codes need not tell it again (as
    in conditional variational autoencoders; Sohn et al. 2015). Afterwards each person has one: that of
    the frame nearest to the mean of their codes, so one that the decoder has learnt to draw. Where
    heads move, each person also has the codes of a clip, frame by frame.
    """

    keys: Tensor
    poses: Tensor
    count: Tensor
    walks: Tensor

    def __init__(self, size: int, code: int, *, moves: bool = False) -> None:
        super().__init__()
        self.moves = moves
        self.see = nn.Linear(_SIGHT[0] * _SIGHT[1], _HIDDEN)
        self.known = nn.Linear(code, _HIDDEN, bias=False)
        nn.init.zeros_(self.known.weight)  # what is seen comes first
        self.tell = nn.Linear(_HIDDEN, size, bias=False)
        self.level = nn.BatchNorm1d(size, affine=False)
        self.register_buffer("keys", torch.zeros(_SLOTS, code))
        self.register_buffer("poses", torch.zeros(_SLOTS, size))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        if moves:
            self.register_buffer("walks", torch.zeros(_SLOTS, WALK, size))

    def seen(self, frames: Tensor, who: Tensor) -> Tensor:
        """Map real frames (N, 3, H, W) of people (N, code) to codes (N, size)."""
        upper = frames[:, :, : round(_UPPER * frames.shape[2])].mean(1, keepdim=True)
        small = F.interpolate(upper.float(), size=_SIGHT, mode="area").flatten(1)
        small = F.layer_norm(small, small.shape[1:])
        codes: Tensor = self.level(self.tell(F.leaky_relu(self.see(small) + self.known(who), 0.2)))
        return noisy(codes, _NOISE) if self.training else codes

    def weights(self, code: Tensor) -> Tensor:
        """Weigh the people who are remembered by identity codes (B, code): (B, slots)."""
        return likeness(code, self.keys, self.count, _TEMPERATURE)

    def recalled(self, weights: Tensor, times: Tensor | None) -> Tensor:
        """Recall the poses of people so weighed, at frames of these numbers (B, V): (B, V or 1, size)."""
        if times is None or not self.moves:
            return (weights @ self.poses).unsqueeze(1)
        return (weights @ self.walks.flatten(1)).unflatten(1, (WALK, -1))[
            torch.arange(len(weights), device=times.device)[:, None], to_and_fro(times, WALK)
        ]

    def remember(self, codes: Tensor, code: Tensor, people: Tensor | None) -> Tensor:
        """Store the poses of each person, of codes seen in clips (B, V, size), by identity codes (B, code).

        Clips whose person (B,) is unknown, -1, are people of their own. Returns the slot of each
        clip (B,), -1 for people beyond the slots.
        """
        own = torch.arange(len(codes), device=codes.device)
        names = own if people is None else torch.where(people < 0, -1 - own, people)
        found = names.unique()[:_SLOTS]
        slots = torch.full_like(own, -1)
        self.keys.zero_()
        self.count.fill_(len(found))
        for slot, one in enumerate(found):
            clips = names == one
            held = codes[clips]
            far = (held - held.flatten(0, 1).mean(0)).square().sum(2)
            clip, middle = divmod(int(far.argmin()), held.shape[1])
            self.poses[slot] = held[clip, middle]
            self.keys[slot] = F.normalize(code[clips].float(), dim=-1).mean(0)
            if self.moves:
                self.walks[slot] = _smooth(_fill(_around(held[clip], middle), WALK))
            slots[clips] = slot
        return slots


def to_and_fro(times: Tensor, length: int) -> Tensor:
    """Map numbers of frames to places 0 ... length - 1, up and down again without end."""
    at = times % (2 * (length - 1))
    return torch.minimum(at, 2 * (length - 1) - at)


def _around(codes: Tensor, middle: int) -> Tensor:
    """Take of codes (V, size) those around `middle` that are as near to it as codes are to their mean.

    What is further off, as in a turn of the head, a decoder has seen too seldom to draw it well. A few
    frames are taken in any case.
    """
    far = ((codes - codes[middle]).square().sum(1) > codes.shape[1]).nonzero().flatten().tolist()
    first = max((at + 1 for at in far if at < middle), default=0)
    last = min((at for at in far if at > middle), default=len(codes))
    return codes[min(first, max(0, middle - _LEAST)) : max(last, middle + _LEAST + 1)]


def _fill(codes: Tensor, length: int) -> Tensor:
    """Take codes (V, size) to and fro until there are so many."""
    return codes[
        to_and_fro(torch.arange(length, device=codes.device), max(2, len(codes))).clamp_max(len(codes) - 1)
    ]


def _smooth(codes: Tensor) -> Tensor:
    """Weigh each of codes (V, size) with those beside it, by 1/4, 1/2 and 1/4: what is seen trembles."""
    beside = F.pad(codes.T[None], (1, 1), mode="replicate")[0].T
    return (beside[:-2] + 2 * codes + beside[2:]) / 4
