"""Names of classes and files as they can be drawn, whatever they are made of."""

import functools

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.textpath import TextToPath

from pipelines.runtime.console import printable

# matplotlib brings the first one; of the others those are used that the machine has.
_FAMILIES = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK KR",
    "Noto Sans JP",
    "Noto Sans SC",
    "Noto Sans KR",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Source Han Sans",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "Hiragino Sans",
    "Arial Unicode MS",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Unifont",
)
_ELLIPSIS = "…"


@functools.cache
def families() -> list[str]:
    """The font families of this machine that are used, the first one first."""
    installed = set(fontManager.get_font_names())
    return [name for name in _FAMILIES if name in installed]


def drawable(text: str) -> str:
    """`text` with escapes, as `\\u753b`, for what no font has and what cannot be seen."""
    shown = printable(text)
    return "".join(
        char if _has_glyph(char) else char.encode("ascii", "backslashreplace").decode()
        for char in shown
    )


def fitted(text: str, width: float, size: float) -> str:
    """`text` as `drawable` gives it, with its middle left out where it is too long.

    The two ends of a file's name tell more than its middle.

    Args:
        text: On one line.
        width: At most, in points.
        size: Of the font, in points.
    """
    shown = drawable(text)
    if width_of(shown, size) <= width:
        return shown
    fits, too_many = 0, len(shown)
    while too_many - fits > 1:
        kept = (fits + too_many) // 2
        if width_of(_shortened(shown, kept), size) <= width:
            fits = kept
        else:
            too_many = kept
    return _shortened(shown, fits)


def _shortened(text: str, kept: int) -> str:
    """As many characters of both ends."""
    head = kept // 2
    return f"{text[:head]}{_ELLIPSIS}{text[len(text) - kept + head :]}"


def width_of(text: str, size: float) -> float:
    """How wide drawable text is, in points.

    Args:
        text: On one line.
        size: Of the font, in points.
    """
    return _width_at_size_1(text) * size


@functools.lru_cache(maxsize=4096)
def _width_at_size_1(text: str) -> float:
    font = FontProperties(family=families(), size=100)
    return float(TextToPath().get_text_width_height_descent(text, font, False)[0]) / 100


@functools.cache
def _has_glyph(char: str) -> bool:
    return any(ord(char) in _glyphs(family) for family in families())


@functools.cache
def _glyphs(family: str) -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=[family]))).get_charmap())
