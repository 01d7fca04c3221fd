"""Pictures and clips of a run: contact sheets, and generated beside real clips."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from s2vkit.files import replacing
from s2vkit.media import VideoWriter
from s2vkit.media.video import Marking

_INK, _PAPER, _GAP = (30, 30, 34), (246, 246, 244), 2
_MIN_HEIGHT = 192  # small faces are enlarged to about this in comparisons


def save_png(path: str | Path, picture: np.ndarray) -> Path:
    """Write uint8 (H, W, 3) as PNG, whole or not at all."""
    with replacing(path) as part:
        Image.fromarray(picture).save(part, format="PNG")
    return Path(path)


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], labels: Sequence[str], path: str | Path, scale: int = 1
) -> Path:
    """Lay out rows of uint8 (H, W, 3) pictures of one size, a label left of each row, as PNG.

    Each pixel becomes `scale` x `scale`. Raises ValueError if sizes or labels do not match.
    """
    shapes = {picture.shape for row in rows for picture in row}
    if len(shapes) != 1 or len(labels) != len(rows):
        raise ValueError(f"{len(rows)} rows, {len(labels)} labels, pictures of {sorted(shapes)}")
    height, width = (side * scale + _GAP for side in shapes.pop()[:2])
    font = ImageFont.load_default(size=max(11, min(16, height // 4)))
    margin = max((round(font.getlength(label)) for label in labels), default=0) + 12
    columns = max(len(row) for row in rows)
    sheet = np.empty((height * len(rows) + _GAP, margin + width * columns, 3), np.uint8)
    sheet[:] = _PAPER
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            top, left = y * height + _GAP, margin + x * width
            sheet[top : top + height - _GAP, left : left + width - _GAP] = enlarge(picture, scale)
    image = Image.fromarray(sheet)
    draw = ImageDraw.Draw(image)
    for y, label in enumerate(labels):
        draw.text((6, (y + 0.5) * height), label, fill=_INK, font=font, anchor="lm")
    return save_png(path, np.asarray(image))


def enlarge(picture: np.ndarray, scale: int) -> np.ndarray:
    """Repeat the pixels of (..., H, W, 3) `scale` times; nothing is smoothed."""
    return picture.repeat(scale, axis=-3).repeat(scale, axis=-2)


def caption_bar(captions: Sequence[str], width: int) -> np.ndarray:
    """Draw captions, each centred on its `width` of one bar: uint8 (H, width * N, 3)."""
    size = max(10, min(18, width // 12))
    font = ImageFont.load_default(size=size)
    bar = Image.new("RGB", (width * len(captions), size + 8), _PAPER)
    draw = ImageDraw.Draw(bar)
    for place, caption in enumerate(captions):
        middle = ((place + 0.5) * width, bar.height / 2)
        draw.text(middle, caption, fill=_INK, font=font, anchor="mm")
    return np.asarray(bar)


def write_comparison(
    path: str | Path,
    generated: np.ndarray,
    real: np.ndarray,
    fps: float | Fraction,
    speech: np.ndarray | None = None,
    sample_rate: int = 16000,
    captions: tuple[str, str] = ("real", "generated"),
    marking: Marking | None = None,
) -> Path:
    """Write an MP4 of the real clip left and the generated one right, with captions and sound.

    `generated` and `real` are uint8 (V, H, W, 3); small faces are enlarged by whole pixels.
    `marking` marks the whole as generated. Raises ValueError if their shapes differ.
    """
    if generated.shape != real.shape:
        raise ValueError(f"made {generated.shape} and true {real.shape} differ in shape")
    scale = max(1, -(-_MIN_HEIGHT // generated.shape[1]))
    width = generated.shape[2] * scale
    bar = caption_bar(captions, width)
    size = (2 * width, generated.shape[1] * scale + bar.shape[0])
    with VideoWriter(path, size, fps, speech, sample_rate, marking) as writer:
        for left, right in zip(real, generated, strict=True):
            pair = enlarge(np.concatenate([left, right], axis=1), scale)
            writer.write(np.concatenate([bar, pair])[None])
    return Path(path)
