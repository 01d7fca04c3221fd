"""The check of what logs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from s2vkit.interfaces.logger import LoggedStage, Logger
from s2vkit.testing.checking import Subject


def check_logger(subject: Subject) -> None:
    """Check that a logger takes a stage twice, the second time resumed, and closes however it was opened."""
    logger = subject.build()
    subject.require_contract(logger, Logger)
    logger.close()  # a stage may end before it is opened
    with tempfile.TemporaryDirectory() as place:
        picture = Path(place) / "faces.png"
        Image.new("RGB", (8, 8)).save(picture)
        for begun in (0, 1):
            logger.open(
                LoggedStage(Path(place), "a run", "a stage", begun, {"seed": 1, "data": {"use": "x"}})
            )
            for step in (begun + 1, begun + 2):
                logger.scalars(step, {"loss": 0.5, "val.ssim": 0.25})
            logger.picture(begun + 2, "faces", picture)
            logger.close()
        logger.close()
