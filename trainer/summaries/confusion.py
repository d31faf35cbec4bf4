"""The confusion matrix as pictures: of counts, and of each class's shares."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from pipelines.runtime.drawing import (
    INK,
    LINE,
    MARGIN,
    PALE_INK,
    blank,
    font,
    shortened,
)
from trainer.predictions import Predictions

# Of more classes, cells are too small for a number, and rows for a name.
MAX_NAMED = 20

_SIDE, _MAX_LABEL, _TITLE, _LETTERS = 560, 170, 19, 16
_MOST_CONFUSED = 8
_FULL = np.array([31, 83, 148])  # the colour of a share of 1; paper stands for 0


def draw_confusion(
    predictions: Predictions, class_names: Sequence[str], split: str
) -> dict[str, Image.Image]:
    """Draws which classes (rows) are taken for which (columns).

    Colours are the shares of each row, also behind counts: the rows of small classes can be seen.

    Args:
        predictions: The answers.
        class_names: In label order.
        split: What the examples are of, for the title.

    Returns:
        'counts', and 'rates' in percent. Of more than `MAX_NAMED` classes 'rates' alone, a colour
        for each pair and a list of those that are confused most often; of more than there is room
        for, the list.
    """
    labels, predicted, classes = predictions.labels, predictions.predicted, len(class_names)
    if classes > _SIDE:
        return {"rates": _heat_map(None, _most_confused(predictions, class_names), split)}
    counts = np.bincount(labels * classes + predicted, minlength=classes**2)
    counts = counts.reshape(classes, classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if classes > MAX_NAMED:
        return {"rates": _heat_map(shares, _most_confused(predictions, class_names), split)}
    percent = np.rint(100 * shares).astype(int)
    return {
        "counts": _table(counts, shares, class_names, f"{split}: number of images"),
        "rates": _table(percent, shares, class_names, f"{split}: share of each class in %"),
    }


def _table(
    numbers: np.ndarray, shares: np.ndarray, class_names: Sequence[str], title: str
) -> Image.Image:
    letters = font(_LETTERS)
    cell = max(34, min(110, _SIDE // len(class_names)))
    side = cell * len(class_names)
    names = [shortened(name, letters, _MAX_LABEL) for name in class_names]
    label_width = int(max(map(letters.getlength, names))) + 12
    left, top = MARGIN + label_width, MARGIN + _TITLE + 34
    upright = cell < max(map(letters.getlength, names)) + 6
    bottom = label_width if upright else 28
    width = max(left + side, int(font(_TITLE, bold=True).getlength(title)) + MARGIN) + MARGIN
    picture, draw = blank(width, top + side + bottom + 26)
    _draw_head(draw, title)
    picture.paste(_colours(shares, cell), (left, top))
    for row, name in enumerate(names):
        middle = top + cell * row + cell // 2
        draw.text((left - 8, middle), name, INK, letters, anchor="rm")
        for column, number in enumerate(numbers[row]):
            place = (left + cell * column + cell // 2, middle)
            ink = "white" if shares[row, column] > 0.5 else INK if number else PALE_INK
            draw.text(place, str(number), ink, font(_number_size(cell, numbers)), anchor="mm")
    for column, name in enumerate(names):
        x = left + cell * column + cell // 2
        if upright:
            _draw_upright(picture, name, (x, top + side + 6))
        else:
            draw.text((x, top + side + 8), name, INK, letters, anchor="mt")
    draw.rectangle((left - 1, top - 1, left + side, top + side), outline=LINE)
    place = (left + side // 2, top + side + bottom + 18)
    draw.text(place, "predicted", PALE_INK, letters, anchor="ms")
    return picture


def _heat_map(shares: np.ndarray | None, pairs: Sequence[str], split: str) -> Image.Image:
    letters = font(_LETTERS)
    cell = 0 if shares is None else max(1, _SIDE // len(shares))
    side = 0 if shares is None else cell * len(shares)
    lines = ["confused most often (true, predicted):", *pairs]
    top, line_height = MARGIN + _TITLE + 34, 22
    width = max(side, _SIDE) + 2 * MARGIN
    picture, draw = blank(width, top + side + 16 + line_height * len(lines) + MARGIN)
    if shares is not None:
        _draw_head(draw, f"{split}: share of each class in %")
        picture.paste(_colours(shares, cell), (MARGIN, top))
        draw.rectangle((MARGIN - 1, top - 1, MARGIN + side, top + side), outline=LINE)
    for number, line in enumerate(lines):
        place = (MARGIN, top + side + 16 + line_height * number)
        ink = INK if number else PALE_INK
        draw.text(place, shortened(line, letters, width - 2 * MARGIN), ink, letters, anchor="lt")
    return picture


def _draw_head(draw: ImageDraw.ImageDraw, title: str) -> None:
    draw.text((MARGIN, MARGIN), title, INK, font(_TITLE, bold=True), anchor="lt")
    below = "rows: true class, columns: predicted"
    draw.text((MARGIN, MARGIN + _TITLE + 8), below, PALE_INK, font(_LETTERS), anchor="lt")


def _most_confused(predictions: Predictions, class_names: Sequence[str]) -> list[str]:
    is_wrong = predictions.labels != predictions.predicted
    pairs = np.stack([predictions.labels[is_wrong], predictions.predicted[is_wrong]], axis=1)
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_CONFUSED]
    return [
        f"{counts[n]}  {class_names[found[n, 0]]} → {class_names[found[n, 1]]}" for n in order
    ] or ["none"]


def _colours(shares: np.ndarray, cell: int) -> Image.Image:
    """A square of so many pixels for each share, the darker the larger."""
    # The root makes the rare ones visible.
    colours = 255 - np.sqrt(shares)[..., None] * (255 - _FULL)
    squares = np.repeat(np.repeat(colours.astype(np.uint8), cell, axis=0), cell, axis=1)
    return Image.fromarray(squares)


def _number_size(cell: int, numbers: np.ndarray) -> int:
    digits = len(str(numbers.max()))
    return int(max(9, min(26, cell * 1.3 / max(digits, 2))))


def _draw_upright(picture: Image.Image, text: str, top: tuple[int, int]) -> None:
    letters = font(_LETTERS)
    strip, draw = blank(int(letters.getlength(text)) + 2, _LETTERS + 6)
    draw.text((strip.width - 1, strip.height // 2), text, INK, letters, anchor="rm")
    turned = strip.rotate(90, expand=True)
    picture.paste(turned, (top[0] - turned.width // 2, top[1]))
