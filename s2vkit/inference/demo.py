"""The small trained model that comes with the package, and a video by it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from s2vkit.inference.generate import Generated, How, generate_one
from s2vkit.inference.marking import marker_of
from s2vkit.inference.model import TalkingFaceModel, load_model
from s2vkit.inference.outputs import pair_up
from s2vkit.inference.requests import Asked, steering_for
from s2vkit.media.speech_file import SpeechFile

MODEL = Path(__file__).parent.parent / "demo_model"  # a bundle, made by the recipe that lies in it
SAMPLE = MODEL / "sample.mp4"  # a video it made, whose speech serves where none is given
SIZE = 256  # px of the video: its own 64 are small on a screen


def draw_demo(speech: Path, output: Path, asked: Asked, *, force: bool = False) -> tuple[Generated, Asked]:
    """Make a video of speech: what was written, and whose face in which mood.

    What is not asked for is the person or the mood that the voice is nearest to, whole: between
    eight people lies nobody. Raises InputError if the speech cannot be used.
    """
    (pair,) = pair_up([speech], output, None, force=force)
    model = load_model(MODEL, device="cpu")
    asked = Asked(**{**nearest(model, speech), **{k: v for k, v in asdict(asked).items() if v}})
    how = How(SIZE, marking=marker_of(model.path))
    return generate_one(model, pair, steering_for(model, asked), how), asked


def nearest(model: TalkingFaceModel, speech: Path) -> dict[str, str]:
    """Find the label of each side whose code is most like that of a voice, by the angle between them."""
    with SpeechFile(speech, model.sample_rate) as recording:
        heard = model.pipeline.codes_of(recording)
    found = {}
    for side, codes in model.codes.items():
        alike = {label: torch.cosine_similarity(heard[side][0], code, 0) for label, code in codes.items()}
        found[side] = max(alike, key=lambda label: float(alike[label]))
    return found
