"""The shape of a mouth: seen in the real frames in training, told from speech afterwards."""

from __future__ import annotations

import torch
from torch import Tensor

from s2vkit_composer.poses import UPPER
from s2vkit_composer.sight import Sight

_SIGHT = (16, 24)  # height and width that the lower part of a frame is shrunk to
_SIDES = 0.2  # of the width: left and right of it the mouth never is
_PENALTIES = (3e2, 1e3, 3e3, 1e4, 3e4, 1e5)  # of the ridge regression; that of least error is taken
_FOLDS = 8  # of clips, each told by the others
_LEAST = 0.05  # correlation with what is told of held-out clips; a number of less is not moved by speech
_MOST = 6.0  # times that what is told is brought up to the variance of what was seen
_FURTHEST = 3.0  # a code's number that is drawn at most; 1 is their deviation


class Mouths(Sight):
    """Codes of the mouth's shape.

    A decoder that hears speech alone draws the mean of the shapes that what it hears may have: of
    minutes of speech, a mouth that hardly moves (our choice; not in the paper). Here it learns to
    draw the shape that it sees. What speech tells of the shape is learnt apart, by a ridge
    regression of what is seen on the features of the speech and on the pose, and brought to the
    variance of what was seen: so lips move as far as they did, by the part that is heard.
    """

    means: Tensor
    pose_means: Tensor
    from_speech: Tensor
    from_pose: Tensor

    def __init__(self, size: int, *, features: int, pose: int, slots: int) -> None:
        super().__init__(size, _SIGHT)
        self.register_buffer("means", torch.zeros(slots, size))
        self.register_buffer("pose_means", torch.zeros(slots, pose))
        self.register_buffer("from_speech", torch.zeros(features, size))
        self.register_buffer("from_pose", torch.zeros(pose, size))

    def seen(self, frames: Tensor) -> Tensor:
        """Map real frames (N, 3, H, W) to codes (N, size)."""
        height, width = frames.shape[2:]
        side = round(_SIDES * width)
        return self.look(frames[:, :, round(UPPER * height) :, side : width - side])

    def told(self, speech: Tensor, pose: Tensor, weights: Tensor) -> Tensor:
        """Tell codes (B, V, size) from speech (B, V, features), poses (B, V, pose) and people (B, slots)."""
        mean, held = (weights @ self.means).unsqueeze(1), (weights @ self.pose_means).unsqueeze(1)
        codes = mean + (pose - held) @ self.from_pose + speech @ self.from_speech
        return codes.clamp(-_FURTHEST, _FURTHEST)

    def remember(self, codes: Tensor, speech: Tensor, poses: Tensor, slots: Tensor) -> None:
        """Learn from codes (B, V, size), speech (B, V, features), poses (B, V, pose), people's slots (B,)."""
        known = slots >= 0
        codes, speech, poses, slots = codes[known], speech[known], poses[known], slots[known]
        for slot in slots.unique():
            self.means[slot] = codes[slots == slot].flatten(0, 1).mean(0)
            self.pose_means[slot] = poses[slots == slot].flatten(0, 1).mean(0)
        y = (codes - self.means[slots].unsqueeze(1)).double()
        held = (poses - self.pose_means[slots].unsqueeze(1)).double()
        heard = speech.double()
        found = [_leave_out(heard, held, y, penalty) for penalty in _PENALTIES]
        errors = [(y - by_speech - by_pose).square().mean() for by_speech, by_pose in found]
        best = int(torch.stack(errors).argmin())
        by_speech, by_pose = (one.flatten(0, 1) for one in found[best])
        rest = y.flatten(0, 1) - by_pose
        gain = rest.std(0) / by_speech.std(0).clamp(min=1e-6)
        gain = torch.where(_correlation(by_speech, rest) < _LEAST, 0.0, gain.clamp(1.0, _MOST))
        speech_part, pose_part = _ridge(heard, held, y, _PENALTIES[best])
        self.from_speech.copy_(speech_part * gain)
        self.from_pose.copy_(pose_part)


def _ridge(heard: Tensor, held: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Regress y (B, V, size) on speech and pose; the penalty is that of speech."""
    x = torch.cat([heard, held], 2).flatten(0, 1)
    ridge = x.new_full((x.shape[1],), penalty)
    ridge[heard.shape[2] :] = 1.0
    weights = torch.linalg.solve(x.T @ x + ridge.diag(), x.T @ y.flatten(0, 1))
    return weights[: heard.shape[2]], weights[heard.shape[2] :]


def _leave_out(heard: Tensor, held: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Tell every clip by a regression on others: by speech and by pose, each (B, V, size)."""
    by_speech, by_pose = torch.zeros_like(y), torch.zeros_like(y)
    fold = torch.arange(len(y), device=y.device) % min(_FOLDS, len(y))
    for one in fold.unique():
        out = fold == one
        if bool(out.all()):
            continue
        speech_part, pose_part = _ridge(heard[~out], held[~out], y[~out], penalty)
        by_speech[out], by_pose[out] = heard[out] @ speech_part, held[out] @ pose_part
    return by_speech, by_pose


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return Pearson's r of each column of (N, size); 0 where one is constant."""
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / (a.norm(dim=0) * b.norm(dim=0)).clamp(min=1e-12)
