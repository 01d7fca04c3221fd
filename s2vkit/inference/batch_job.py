"""Many recordings, one after another or several at once; one that cannot be used stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from s2vkit.errors import InputError
from s2vkit.inference.generate import Generated, How, generate_batch, generate_one
from s2vkit.inference.model import TalkingFaceModel
from s2vkit.inference.outputs import Pair
from s2vkit.inference.steering import Steering


def generate_all(
    model: TalkingFaceModel,
    pairs: Sequence[Pair],
    steering: Mapping[str, Steering],
    how: How,
    *,
    batch: int = 1,
    say: Callable[[str], None],
) -> Iterator[Generated]:
    """Make a video of every recording, `batch` at once; `say` reports those that cannot be used.

    Raises InputError at once if there is one recording, or at the end if any was left out.
    """
    if batch > 1 and (how.fps is not None or how.image is not None):
        raise InputError("--batch goes with neither --fps nor --image", hint="leave one of them out")
    left_out = 0
    for start in range(0, len(pairs), batch):
        group = pairs[start : start + batch]
        try:
            if batch > 1:
                yield from generate_batch(model, group, steering, how)
            else:
                yield generate_one(model, group[0], steering, how)
        except InputError as error:
            if len(pairs) == 1:
                raise
            left_out += len(group)
            say(f"left out: {error}")
    if left_out:
        raise InputError(f"{left_out} of {len(pairs)} recordings were left out; the others are written")
