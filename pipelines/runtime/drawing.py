"""Paper, ink and letters of the pictures that Pillow draws, in milliseconds, while training waits.

They are opaque, dark on white, and so can be read on TensorBoard's light and on its dark pages.
matplotlib draws the pictures of a report; its fonts are used here, too.
"""

import functools
import io
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

PAPER, INK, PALE_INK, LINE = "#ffffff", "#1b1b1b", "#6a6a6a", "#d0d0d0"
GOOD, BAD = "#1a7f37", "#c0261c"
MARGIN = 12

_FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")  # of more scripts than Pillow's own


@functools.cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Letters of so many pixels."""
    return ImageFont.truetype(_FONTS / f"DejaVuSans{'-Bold' * bold}.ttf", size)


def blank(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty picture, and what draws on it."""
    picture = Image.new("RGB", (width, height), PAPER)
    return picture, ImageDraw.Draw(picture)


def shortened(text: str, letters: ImageFont.FreeTypeFont, width: int, end: bool = False) -> str:
    """A text, in one line of what can be printed, that fits into so many pixels.

    With `end`, its end is what matters, as that of a path.
    """
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    length = letters.getlength(text)
    if length <= width:
        return text
    # Most of it at once, and with some to spare: to measure each shorter text would take long.
    kept = min(len(text), int(1.5 * len(text) * width / length))
    text = text[len(text) - kept :] if end else text[:kept]
    while text and letters.getlength(text + "…") > width:
        text = text[1:] if end else text[:-1]
    return f"…{text}" if end else f"{text}…"


def as_png(picture: Image.Image) -> bytes:
    """Of a drawing; little is gained by compressing it harder."""
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def as_jpeg(picture: Image.Image) -> bytes:
    """Of photographs, a tenth of what a PNG takes; letters stay sharp."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=88, subsampling=0)
    return stream.getvalue()
