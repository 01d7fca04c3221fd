"""The check of what finds the points of faces."""

from __future__ import annotations

import torch

from s2vkit.interfaces.landmarks import GROUPS, Landmarks
from s2vkit.testing.checking import SIZE, Subject, noise


def check_landmarks(subject: Subject) -> None:
    """Check points and groups, that a frame's do not depend on the others, and gradients where it trains."""
    finder = subject.build()
    subject.require_contract(finder, Landmarks)
    subject.require_attributes(finder, pretrained=bool)
    lacking = [name for name in GROUPS if not finder.groups.get(name)]
    subject.require(not lacking, f"its groups lack {', '.join(lacking)}")
    upper, lower = (finder.groups[f"{lip}_inner_lip"] for lip in ("upper", "lower"))
    subject.require(len(upper) == len(lower), f"{len(upper)} upper and {len(lower)} lower inner-lip points")
    frames = noise(3, 3, SIZE, SIZE)
    with torch.no_grad():
        points, alone = finder.eval()(frames), finder(frames[:1])
    subject.require(points.dim() == 3 and points.shape[::2] == (3, 3), f"points of shape {points.shape}")
    most = max(place for group in finder.groups.values() for place in group)
    subject.require(most < points.shape[1], f"a group names point {most} of {points.shape[1]}")
    whole = points.isfinite().all((1, 2)) | points.isnan().all((1, 2))
    subject.require(whole.all(), "a frame has some points that are not finite, and others that are")
    subject.require_equal("its points depend on the batch", points[:1].nan_to_num(), alone.nan_to_num())
    wants = "landmarks" in subject.entry.wants
    subject.require(
        finder.pretrained or wants, "is to be trained, but is not registered as wanting landmarks"
    )
    if not finder.pretrained:
        subject.require_gradients("training", finder, finder.train()(frames))
