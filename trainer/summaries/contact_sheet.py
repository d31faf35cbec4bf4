"""A sheet of small pictures with a caption under each."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image

from pipelines.runtime.drawing import INK, LINE, MARGIN, PALE_INK, blank, font, shortened

MAX_TILES = 15

_COLUMNS, _TILE, _GAP = 3, 148, 10  # as TensorBoard shows a picture, about 350 pixels wide
_TITLE, _CAPTION = 16, 15
_LINE_HEIGHT = 20


@dataclasses.dataclass(frozen=True, eq=False)
class Tile:
    """A picture and what is said of it.

    Attributes:
        image: uint8 (height, width, 3).
        caption: Its lines, each a text and a colour; the colour None is for file names.
    """

    image: np.ndarray
    caption: Sequence[tuple[str, str | None]]


def draw_sheet(title: str, tiles: Sequence[Tile]) -> Image.Image:
    """Draws up to `MAX_TILES` tiles, three in a row, under a title."""
    shown = tiles[:MAX_TILES]
    lines = max((len(tile.caption) for tile in shown), default=0)
    row_height = _TILE + lines * _LINE_HEIGHT + 6 + _GAP
    rows = -(-len(shown) // _COLUMNS)
    width = 2 * MARGIN + _COLUMNS * (_TILE + _GAP) - _GAP
    top = MARGIN + _TITLE + 14
    picture, draw = blank(width, top + max(rows * row_height, 1))
    letters = font(_TITLE, bold=True)
    draw.text(
        (MARGIN, MARGIN), shortened(title, letters, width - 2 * MARGIN), INK, letters, anchor="lt"
    )
    for number, tile in enumerate(shown):
        x = MARGIN + number % _COLUMNS * (_TILE + _GAP)
        y = top + number // _COLUMNS * row_height
        draw.rectangle((x - 1, y - 1, x + _TILE, y + _TILE), outline=LINE)
        image = Image.fromarray(tile.image)
        picture.paste(image.resize((_TILE, _TILE), Image.Resampling.BILINEAR), (x, y))
        for line, (text, colour) in enumerate(tile.caption):
            letters = font(_CAPTION)
            text = shortened(text, letters, _TILE, end=colour is None)
            place = (x, y + _TILE + 6 + line * _LINE_HEIGHT)
            draw.text(place, text, colour or PALE_INK, letters, anchor="lt")
    return picture
