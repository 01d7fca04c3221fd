"""TensorBoard: event files in the run's folder, one folder a stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from s2vkit import LoggedStage, Logger, ResourceError
from s2vkit_loggers import TensorBoardOptions

FOLDER = "tensorboard"


class TensorBoard(Logger):
    """Writes with torch's own writer; what a resumed stage repeats is purged from the curves."""

    def __init__(self, options: TensorBoardOptions) -> None:
        self.every = options.every
        self.writer: Any = None

    def open(self, stage: LoggedStage) -> None:
        """Open the event file of a stage."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ResourceError(
                "the logger 'tensorboard' needs the package tensorboard",
                hint="pip install 's2vkit[tensorboard]', or leave the logger out",
            ) from error
        place = stage.folder / FOLDER / stage.stage
        self.writer = SummaryWriter(str(place), purge_step=stage.step + 1 if stage.step else None)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add the figures of a step."""
        for name, value in values.items() if step % self.every == 0 else ():
            self.writer.add_scalar(name.replace(".", "/", 1), value, step)

    def picture(self, step: int, name: str, path: Path) -> None:
        """Add a picture."""
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        self.writer.add_image(name, pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        writer, self.writer = self.writer, None
        if writer is not None:
            writer.close()
