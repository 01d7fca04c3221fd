"""Sheets of faces under a title: blocks of rows, a caption over every column. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from s2vkit.files import replacing

INK, SOFT, PAPER = (30, 30, 34), (105, 107, 118), (255, 255, 255)
MIN_SIDE = 96  # px; smaller faces are enlarged by whole pixels to at least this
GAP, MARGIN, LINE = 4, 14, 22


@dataclass(frozen=True)
class Block:
    """Rows that belong together: one clip, or one voice."""

    title: str
    rows: Sequence[tuple[str, Sequence[np.ndarray]]]  # label, pictures uint8 (H, W, 3)
    captions: Sequence[str] = ()  # over each column


@dataclass(frozen=True)
class Layout:
    """Where everything stands, in px."""

    scale: int
    side: int  # of an enlarged picture
    label: int  # width of the labels
    columns: int
    width: int
    height: int

    def left(self, column: int) -> int:
        """Return the left edge of a column's pictures."""
        return MARGIN + self.label + column * (self.side + GAP)


def draw_sheet(path: Path, title: str, blocks: Sequence[Block]) -> Layout:
    """Write blocks of pictures of one size as PNG, whole or not at all; say how it is laid out.

    Raises ValueError if there is no picture, or sizes differ.
    """
    layout = lay_out(title, blocks)
    image = Image.new("RGB", (layout.width, layout.height), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN, MARGIN), title, fill=INK, font=_font(16))
    top = MARGIN + LINE + GAP
    for block in blocks:
        top = _draw_block(image, draw, layout, block, top)
    with replacing(path) as part:
        image.save(part, format="PNG")
    return layout


def lay_out(title: str, blocks: Sequence[Block]) -> Layout:
    """Find how large everything is."""
    pictures = [p for block in blocks for _, row in block.rows for p in row]
    shapes = {picture.shape for picture in pictures}
    if len(shapes) != 1:
        raise ValueError(f"pictures of {sorted(shapes)} in one sheet")
    side = shapes.pop()[0]
    scale = max(1, -(-MIN_SIDE // side))
    labels = [label for block in blocks for label, _ in block.rows]
    label = round(max(_wide(line, 13) for text in labels for line in text.split("\n"))) + 12
    columns = max(len(row) for block in blocks for _, row in block.rows)
    wide = label + columns * (side * scale + GAP)
    wide = max(wide, *(round(_wide(b.title, 14)) for b in blocks), round(_wide(title, 16)))
    high = sum(_height(block, side * scale) for block in blocks)
    return Layout(scale, side * scale, label, columns, wide + 2 * MARGIN, high + 2 * MARGIN + LINE + GAP)


def _height(block: Block, side: int) -> int:
    return LINE * (2 if block.captions else 1) + len(block.rows) * (side + GAP) + MARGIN


def _draw_block(image: Image.Image, draw: ImageDraw.ImageDraw, layout: Layout, block: Block, top: int) -> int:
    draw.text((MARGIN, top), block.title, fill=INK, font=_font(14))
    top += LINE
    for column, caption in enumerate(block.captions):
        middle = (layout.left(column) + layout.side / 2, top + LINE / 2)
        draw.text(middle, caption, fill=SOFT, font=_font(11), anchor="mm")
    top += LINE if block.captions else 0
    for label, pictures in block.rows:
        middle = (MARGIN, top + layout.side / 2)
        draw.multiline_text(middle, label, fill=INK, font=_font(13), anchor="lm")
        for column, picture in enumerate(pictures):
            large = picture.repeat(layout.scale, axis=0).repeat(layout.scale, axis=1)
            image.paste(Image.fromarray(large), (layout.left(column), top))
        top += layout.side + GAP
    return top + MARGIN


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _wide(text: str, size: int) -> float:
    return float(_font(size).getlength(text))
