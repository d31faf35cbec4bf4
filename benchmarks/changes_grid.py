"""A picture of the changes: one image of each class under each of them, as a model sees it."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.changed_split import ChangedSplit
from pipelines.runtime.errors import InputError
from trainer.judging.drawing import (
    PALE_INK,
    POINTS,
    SMALL_SIZE,
    TEXT_SIZE,
    page,
    picture,
    place_image,
)
from trainer.judging.names import fitted

COLUMNS = 7  # of images; the changes go on below
_SIDE, _GAP, _MARGIN, _LABEL, _TITLE = 1.0, 0.06, 0.12, 0.22, 0.5  # inches
_TITLE_CHARACTERS = 17  # in a line over an image


def draw_changes(path: Path, split: ChangedSplit, class_names: Sequence[str]) -> None:
    """Draws the first image of each class that has any; a change of two directions has two columns.

    Args:
        path: Of the PNG.
        split: Images under all changes.
        class_names: In label order.

    Raises:
        InputError: if it cannot be written.
    """
    columns = [(name, images) for name, c in split.images.items() for images in c]
    labels, firsts = np.unique(split.labels, return_index=True)
    band = _TITLE + len(labels) * (_SIDE + _GAP)
    bands = -(-len(columns) // COLUMNS)
    width = 2 * _MARGIN + _LABEL + COLUMNS * (_SIDE + _GAP) - _GAP
    try:
        with picture(path, width, 2 * _MARGIN + bands * band) as figure:
            axes = page(figure)
            for place, (name, images) in enumerate(columns):
                row, column = divmod(place, COLUMNS)
                left = _MARGIN + _LABEL + column * (_SIDE + _GAP)
                bottom = _MARGIN + row * band + _TITLE - _GAP
                title = textwrap.fill(name, _TITLE_CHARACTERS)
                where = {"ha": "center", "va": "bottom", "fontsize": SMALL_SIZE}
                axes.text(left + _SIDE / 2, bottom, title, **where)
                for line, first in enumerate(firsts):
                    top = bottom + _GAP + line * (_SIDE + _GAP)
                    place_image(axes, images[first], left, top, _SIDE)
            for row in range(bands):
                for line, label in enumerate(labels):
                    top = _MARGIN + row * band + _TITLE + line * (_SIDE + _GAP)
                    _name_class(axes, class_names[label], top)
    except OSError as error:
        raise InputError(
            f"received --grid={path}, which cannot be written ({error.strerror or error}), "
            "expected a file in a folder that exists; choose another one."
        ) from error


def _name_class(axes, name: str, top: float) -> None:
    """Writes it upwards beside the images of a class."""
    text = fitted(name, _SIDE * POINTS, TEXT_SIZE)
    where = {"rotation": 90, "ha": "center", "va": "center", "fontsize": TEXT_SIZE}
    axes.text(_MARGIN + _LABEL / 2 - 0.03, top + _SIDE / 2, text, color=PALE_INK, **where)
