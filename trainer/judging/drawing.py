"""How all pictures of a run look: made for print, and told apart by everybody.

No window and no global figure: a picture goes to a file, also where there is no screen.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.runtime.files import atomic_file
from trainer.judging.names import families

PAGE_WIDTH = 7.2  # inches, the text of a page
POINTS = 72  # in an inch
DPI = 200
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 9.0, 8.0, 6.5  # points

# Okabe and Ito, "Color Universal Design" (2008): told apart by the colour-blind, and in grey.
BLUE, VERMILION = "#0072B2", "#D55E00"
INK, PALE_INK, LINE = "#1b1b1b", "#5f5f5f", "#c8c8c8"

_STYLE = {
    "font.size": TEXT_SIZE,
    "axes.titlesize": TITLE_SIZE,
    "axes.labelsize": TEXT_SIZE,
    "axes.edgecolor": PALE_INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": TEXT_SIZE,
    "lines.linewidth": 1.4,
    "text.color": INK,
    "text.parse_math": False,  # a name may have dollar signs
    "xtick.labelsize": TEXT_SIZE - 1,
    "ytick.labelsize": TEXT_SIZE - 1,
}


@contextlib.contextmanager
def picture(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure to draw on, which is a PNG when the block ends well.

    Args:
        path: Of the file, which is whole or not there.
        width, height: In inches.

    Raises:
        OSError: if it cannot be written.
    """
    with atomic_file(path) as unfinished:
        with matplotlib.rc_context({**_STYLE, "font.family": families()}):
            figure = Figure(figsize=(width, height), facecolor="white")
            FigureCanvasAgg(figure)
            yield figure
            figure.savefig(unfinished, dpi=DPI, format="png")


def page(figure: Figure) -> Axes:
    """Axes over the whole figure, in inches from its top left corner, with nothing on them."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def place_image(axes: Axes, image: np.ndarray, left: float, top: float, side: float) -> None:
    """Draws a square image on a page.

    Args:
        axes: Of a page.
        image: uint8 or float (height, width, channels).
        left, top: Of its corner, in inches.
        side: In inches.
    """
    extent = (left, left + side, top + side, top)
    axes.imshow(image, extent=extent, aspect="auto", interpolation="bilinear")
