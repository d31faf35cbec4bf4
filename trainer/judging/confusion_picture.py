"""confusion_matrix.png: counts in numbers, rates of each true class in colour."""

import dataclasses
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trainer.judging import drawing
from trainer.judging.confusion import Confusion, confusion_of
from trainer.judging.judged import Judged
from trainer.judging.names import drawable, fitted, width_of

_COLOURS = "Blues"
_NORM = PowerNorm(0.5, 0, 1)  # or else what is rare, the mistakes, would be as white as nothing
_LABEL_POINTS = 120.0  # the widest name
_TWO_LINES = 12  # classes; of more, the cells have room for one number
_CELL, _SMALL_CELL, _MATRIX = 0.85, 0.25, 4.6  # inches: the largest, the least, about all of them
_MARGIN, _TITLE, _BAR = 0.1, 0.3, 0.75


@dataclasses.dataclass(frozen=True)
class _Layout:
    """What is written beside the matrix, and how large all is, in inches."""

    rows: list[str]
    columns: list[str]
    is_turned: bool  # the columns' names
    cell: float

    @property
    def left(self) -> float:
        return _MARGIN + 0.3 + _inches(self.rows)

    @property
    def below(self) -> float:
        return _MARGIN + 0.22 + (_inches(self.columns) * 0.72 + 0.08 if self.is_turned else 0.15)

    @property
    def matrix(self) -> tuple[float, float]:
        return len(self.columns) * self.cell, len(self.rows) * self.cell


def write_confusion_matrix(path: Path, judged: Judged) -> None:
    """Draws which classes are taken for which.

    Raises:
        OSError: if it cannot be written.
    """
    confusion = confusion_of(judged)
    layout = _layout(judged, confusion)
    width = layout.left + layout.matrix[0] + _BAR
    height = _MARGIN + _TITLE + layout.matrix[1] + layout.below
    title = _title(judged, confusion)
    width = max(width, min(drawing.PAGE_WIDTH, _inches([title], drawing.TITLE_SIZE) + 0.2))
    with drawing.picture(path, width, height) as figure:
        room = (width - 2 * _MARGIN) * drawing.POINTS
        figure.text(
            _MARGIN / width,
            1 - _MARGIN / height,
            fitted(title, room, drawing.TITLE_SIZE),
            size=drawing.TITLE_SIZE,
            va="top",
        )
        left, bottom = layout.left / width, layout.below / height
        across, up = layout.matrix[0] / width, layout.matrix[1] / height
        axes = figure.add_axes((left, bottom, across, up))
        _draw_cells(axes, confusion, two_lines=len(layout.columns) <= _TWO_LINES)
        _name_sides(axes, layout)
        _draw_bar(figure, (left + across + 0.12 / width, bottom, 0.1 / width, min(up, 2 / height)))


def _layout(judged: Judged, confusion: Confusion) -> _Layout:
    size = drawing.TEXT_SIZE
    names = [fitted(judged.class_names[label], _LABEL_POINTS, size) for label in confusion.labels]
    columns = names + ["all others"] * confusion.has_others
    rows = [f"{name}  ({n:,})" for name, n in zip(names, confusion.support, strict=True)]
    cell = float(np.clip(_MATRIX / len(columns), _SMALL_CELL, _CELL))
    return _Layout(rows, columns, _inches(columns) > cell - 0.1, cell)


def _title(judged: Judged, confusion: Confusion) -> str:
    total, wrong = len(judged.predictions.labels), len(judged.wrong)
    text = f"{drawable(judged.data_name)}, {judged.split}: {wrong:,} of {total:,} wrong"
    if confusion.has_others:
        text += f"; the {len(confusion.labels)} most confused of {confusion.all_classes:,} classes"
    return text


def _draw_cells(axes: Axes, confusion: Confusion, two_lines: bool) -> None:
    rates = confusion.rates
    axes.imshow(np.ma.masked_invalid(rates), cmap=_COLOURS, norm=_NORM, aspect="auto")
    rows, columns = rates.shape
    for row in np.nonzero(confusion.support == 0)[0]:
        corner = (-0.5, row - 0.5)
        axes.add_patch(
            Rectangle(corner, columns, 1, fc="#f2f2f2", ec=drawing.LINE, hatch="////", lw=0)
        )
    for row, column in zip(*np.nonzero(confusion.counts), strict=True):
        count, rate = confusion.counts[row, column], rates[row, column]
        text = f"{count:,}\n{rate:.1%}" if two_lines else f"{count:,}"
        axes.text(
            column,
            row,
            text,
            size=drawing.TEXT_SIZE if columns <= 8 else drawing.SMALL_SIZE,
            color="white" if _NORM(rate) > 0.6 else drawing.INK,
            ha="center",
            va="center",
        )
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def _name_sides(axes: Axes, layout: _Layout) -> None:
    size = drawing.TEXT_SIZE
    axes.set_xticks(range(len(layout.columns)), layout.columns, size=size)
    if layout.is_turned:
        for name in axes.get_xticklabels():
            name.set(rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(layout.rows)), layout.rows, size=size)
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class  (images)")


def _draw_bar(figure: Figure, place: tuple[float, float, float, float]) -> None:
    bar = figure.colorbar(ScalarMappable(_NORM, _COLOURS), cax=figure.add_axes(place))
    bar.set_ticks([0, 0.01, 0.1, 0.25, 0.5, 1], labels=["0", "1%", "10%", "25%", "50%", "100%"])
    bar.ax.tick_params(length=2, labelsize=drawing.SMALL_SIZE)
    bar.ax.set_title("of the row", size=drawing.SMALL_SIZE, loc="left", pad=4)
    bar.outline.set_visible(False)


def _inches(texts: list[str], size: float = drawing.TEXT_SIZE) -> float:
    return max(width_of(text, size) for text in texts) / drawing.POINTS
