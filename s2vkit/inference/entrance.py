"""Where speech enters a model: all that is done to it before it is encoded is done here."""

from __future__ import annotations

import numpy as np


class Entrance:
    """Prepares one utterance that comes in pieces of any length, at the encoder's sample rate.

    What it gives, put together, must not depend on how the utterance was cut. So far nothing
    is done to speech. The sound of the video that is written is never prepared.
    """

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take in float32 (S,): return what is ready of it (T,), in time with what came in."""
        return samples

    def flush(self) -> np.ndarray:
        """End the utterance: return the rest."""
        return np.zeros(0, np.float32)


def prepare(samples: np.ndarray) -> np.ndarray:
    """Prepare a whole utterance (S,)."""
    entrance = Entrance()
    return np.concatenate([entrance.push(samples), entrance.flush()])
