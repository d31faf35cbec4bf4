"""filters.png: what the first layer of a model looks for."""

import math
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from trainer.judging import drawing
from trainer.judging.names import fitted

FILTERS_NAME = "filters.png"
MOST_FILTERS = 64

_COLUMNS = 8
_MARGIN, _TITLE, _GAP, _LINE = 0.1, 0.34, 0.12, 0.15  # inches
_SIDE = 0.62
_WIDTH = 2 * _MARGIN + _COLUMNS * _SIDE + (_COLUMNS - 1) * _GAP


def write_filters(directory: Path, model: keras.Model) -> list[Path]:
    """Draws the filters of a model's first convolution, of images in colour or in grey.

    Returns:
        The file, or none for a model without such a layer.

    Raises:
        OSError: if it cannot be written.
    """
    layer = next(_convolutions(model), None)
    if layer is None:
        return []
    kernels = np.asarray(keras.ops.convert_to_numpy(layer.kernel), np.float32)
    height, width, _, count = kernels.shape
    title = f"{layer.name}, the first convolution: {count} filters of {height} x {width}"
    if count > MOST_FILTERS:
        title += f", of which the first {MOST_FILTERS}"
    path = directory / FILTERS_NAME
    _draw(path, title, kernels[..., :MOST_FILTERS])
    return [path]


def _convolutions(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The convolutions of images, in the order of the layers, also of models within."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _convolutions(layer)
        elif isinstance(layer, keras.layers.Conv2D) and layer.kernel.shape[2] in (1, 3):
            yield layer


def _draw(path: Path, title: str, kernels: np.ndarray) -> None:
    """Grey is 0; each filter is scaled by its largest weight, which stands below it."""
    count = kernels.shape[-1]
    rows = math.ceil(count / _COLUMNS)
    row_height = _SIDE + _LINE + _GAP
    with drawing.picture(path, _WIDTH, 2 * _MARGIN + _TITLE + rows * row_height + _LINE) as figure:
        axes = drawing.page(figure)
        room = (_WIDTH - 2 * _MARGIN) * drawing.POINTS
        size = drawing.TITLE_SIZE
        axes.text(_MARGIN, _MARGIN, fitted(title, room, size), size=size, va="top")
        for number in range(count):
            row, column = divmod(number, _COLUMNS)
            kernel = kernels[..., number]
            scale = float(np.max(np.abs(kernel)))
            colours = 0.5 + kernel / (2 * scale or 1.0)
            left = _MARGIN + column * (_SIDE + _GAP)
            top = _MARGIN + _TITLE + row * row_height
            axes.imshow(
                np.repeat(colours, 3, axis=-1) if colours.shape[-1] == 1 else colours,
                extent=(left, left + _SIDE, top + _SIDE, top),
                aspect="auto",
                interpolation="nearest",
            )
            axes.text(
                left + _SIDE / 2,
                top + _SIDE + 0.03,
                f"± {scale:.2g}",
                size=drawing.SMALL_SIZE,
                color=drawing.PALE_INK,
                ha="center",
                va="top",
            )
        axes.text(
            _MARGIN,
            _MARGIN + _TITLE + rows * row_height,
            "Grey is 0; each filter's colours go as far as its largest weight, written below it.",
            size=drawing.SMALL_SIZE,
            color=drawing.PALE_INK,
            va="top",
        )
