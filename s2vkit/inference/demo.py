"""The small trained model that comes with the package."""

from __future__ import annotations

from pathlib import Path

MODEL = Path(__file__).parent.parent / "demo_model"  # a bundle, made by the recipe that lies in it
SAMPLE = MODEL / "sample.mp4"  # a video it made, whose speech serves where none is given
SIZE = 256  # px of the video: its own 64 are small on a screen
