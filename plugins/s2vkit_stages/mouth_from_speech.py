"""Teaching a generator to hear the mouth before it draws: what speech tells of the lower face."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Batch, Conditioning, Features, Frames, Graph, Slot, Stage
from s2vkit.nn import face_part
from s2vkit_stages import MouthFromSpeechOptions
from s2vkit_stages.requirements import with_variants

_FAINT = 0.01  # deviation of the weights that a picture is first told by
_SHOWN = (16, 32)  # height and width of the lower half of a face, as it is to be told


class MouthFromSpeech(Stage):
    """Lets the generator's `hearing` tell the lower half of each face from speech, by one linear layer.

    In `compose` a generator sees few frames in a step and cares for all of a face, so what it learns
    of lips is little more than a linear function of c_t (our finding). This sees hundreds
    of frames in a step and draws none: the picture to be told is small and grey, less its mean over the
    frames of the clip that were drawn, since who speaks and how is for the codes to say. What
    cannot be heard, such as how a head is held, is noise here, which the mean square averages out.
    """

    options: MouthFromSpeechOptions
    held_out = 64
    precise = True

    def __init__(self, options: MouthFromSpeechOptions, *, graph: Graph) -> None:
        self.options, self.generator = options, graph.generator
        self.validate_every = options.validate_every
        if not self.idle():
            found = (Frames(options.frames), Features(), *graph.generator_fields())
            self.fields = tuple(with_variants(field, options.variants) for field in found)

    def idle(self) -> str:
        """Report that the generator has no layers that hear."""
        hears = self.generator is not None and self.generator.hearing is not None
        return "" if hears else "the generator draws from speech features as they are"

    def extras(self) -> dict[str, nn.Module]:
        """Build the layer that tells the picture, which only training needs."""
        assert self.generator is not None
        self.told = nn.Linear(self.generator.hearing_size, _SHOWN[0] * _SHOWN[1])
        nn.init.normal_(self.told.weight, std=_FAINT)  # else its first mistakes silence what hears
        nn.init.zeros_(self.told.bias)
        return {"told": self.told}

    def optimizers(self) -> dict[str, Slot]:
        """Move what hears, and the layer."""
        return {"generator.hearing": self.options.optimizer, "told": self.options.optimizer}

    def shared_forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Tell the pictures from speech, beside what they are."""
        assert self.generator is not None
        heard = self.generator.hear(Conditioning(batch["features"], context=batch.get("context")))
        return self.told(heard).float(), _lower_half(batch["frames"])

    def loss(self, batch: Batch, shared: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return the mean square of what is told wrongly."""
        told, shown = shared
        return {"picture": (told - shown).square().mean()}

    def validate(self, clips: Batch) -> dict[str, Tensor]:
        """Return the share of the variance of held-out pictures that is not told."""
        told, shown = self.shared_forward(clips)
        return {"untold": (told - shown).square().mean() / shown.square().mean()}


def _lower_half(frames: Tensor) -> Tensor:
    """Show the lower half of frames (B, V, 3, H, W) small, grey, less the mean of a clip's: (B, V, N)."""
    grey = face_part(frames, "lower").float().mean(2)
    small = F.adaptive_avg_pool2d(grey, _SHOWN).flatten(2)
    return small - small.mean(1, keepdim=True)
