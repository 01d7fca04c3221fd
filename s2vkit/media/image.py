"""Reading a picture of a face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from s2vkit.errors import InputError


def read_image(path: Path, size: int) -> np.ndarray:
    """Read a picture, cut to its central square and resized: (size, size, 3) uint8 RGB.

    Raises InputError if there is none, or it cannot be read.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such picture")
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGB")
            fitted = ImageOps.fit(upright, (size, size), Image.Resampling.LANCZOS)
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        problem = "not a picture that can be read"
        raise InputError(f"{path}: {problem}", hint="give a PNG or JPEG file") from error
    return np.array(fitted)
