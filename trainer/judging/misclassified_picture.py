"""misclassified.png: the mistakes of which a model is surest."""

import math
from pathlib import Path

from trainer.judging import drawing
from trainer.judging.judged import Judged
from trainer.judging.names import drawable, fitted

MOST_IMAGES = 24

_COLUMNS = 6
_MARGIN, _TITLE, _GAP, _LINE, _LINES = 0.1, 0.34, 0.12, 0.125, 4  # inches, but for the last
_SIDE = (drawing.PAGE_WIDTH - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) / _COLUMNS
_ROW = _SIDE + _LINES * _LINE + _GAP


def write_misclassified(path: Path, judged: Judged) -> None:
    """Draws the wrong answers, the most confident first, or says that there are none.

    Raises:
        OSError: if it cannot be written.
        InputError: if an image cannot be read.
    """
    numbers = judged.wrong[:MOST_IMAGES].tolist()
    rows = math.ceil(len(numbers) / _COLUMNS)
    height = 2 * _MARGIN + _TITLE + rows * _ROW
    with drawing.picture(path, drawing.PAGE_WIDTH, height) as figure:
        axes = drawing.page(figure)
        room = (drawing.PAGE_WIDTH - 2 * _MARGIN) * drawing.POINTS
        title = fitted(_title(judged), room, drawing.TITLE_SIZE)
        axes.text(_MARGIN, _MARGIN, title, size=drawing.TITLE_SIZE, va="top")
        images = judged.examples.images(numbers) if rows else ()
        texts = _texts(judged)
        for place, (image, lines) in enumerate(zip(images, texts, strict=True)):
            row, column = divmod(place, _COLUMNS)
            left = _MARGIN + column * (_SIDE + _GAP)
            top = _MARGIN + _TITLE + row * _ROW
            drawing.place_image(axes, image, left, top, _SIDE)
            for number, (line, colour) in enumerate(lines):
                axes.text(
                    left,
                    top + _SIDE + 0.04 + number * _LINE,
                    fitted(line, _SIDE * drawing.POINTS, drawing.SMALL_SIZE),
                    size=drawing.SMALL_SIZE,
                    color=colour,
                    va="top",
                )


def _title(judged: Judged) -> str:
    total, wrong = len(judged.predictions.labels), len(judged.wrong)
    asked = f"{total:,} image{'s' * (total != 1)} of {judged.data_name}, {judged.split}"
    if not wrong:
        return f"None of the {asked}, is classified wrong."
    if wrong <= MOST_IMAGES:
        return f"{wrong:,} of {asked}, classified wrong, the most confident first"
    return f"{MOST_IMAGES} of {wrong:,} mistakes in {asked}: the most confident"


def _texts(judged: Judged) -> list[list[tuple[str, str]]]:
    """The lines under each image, with their colours."""
    predictions = judged.predictions
    names = list(map(drawable, judged.class_names))
    numbers = judged.wrong[:MOST_IMAGES].tolist()
    files = judged.examples.file_names(numbers) if numbers else []
    return [
        [
            (
                _below_its_class(file_name, judged.class_names[predictions.labels[number]]),
                drawing.PALE_INK,
            ),
            (f"is {names[predictions.labels[number]]}", drawing.INK),
            (f"taken for {names[predictions.predicted[number]]}", drawing.VERMILION),
            (f"confidence {predictions.confidence[number]:.1%}", drawing.INK),
        ]
        for number, file_name in zip(numbers, files, strict=True)
    ]


def _below_its_class(file_name: str, class_name: str) -> str:
    """Without the folder of the class, which the next line names."""
    return file_name.removeprefix(f"{class_name}/")
