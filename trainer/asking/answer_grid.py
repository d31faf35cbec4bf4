"""A picture of answers: what the model saw of each file, and what it said."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

from pipelines.runtime.console import printable
from pipelines.runtime.drawing import font, shortened
from trainer.asking.answer import Answer

_COLUMNS, _CELL, _GAP, _MARGIN, _TEXT = 8, 144, 14, 18, 46
_PAPER, _INK, _PALE_INK, _MISSING, _WRONG = "white", "#1b1b1b", "#767676", "#f3e3e3", "#b3261e"


def draw_answers(answers: Sequence[Answer], class_names: Sequence[str]) -> bytes:
    """Draws some answers, in their order; files without an answer are marked with the reason.

    Args:
        answers: At least one.
        class_names: In the order of the model's outputs.

    Returns:
        A PNG.
    """
    columns = min(_COLUMNS, len(answers))
    rows = -(-len(answers) // columns)
    width = 2 * _MARGIN + columns * (_CELL + _GAP) - _GAP
    height = 2 * _MARGIN + rows * (_CELL + _TEXT + _GAP) - _GAP
    canvas = Image.new("RGB", (width, height), _PAPER)
    for number, answer in enumerate(answers):
        row, column = divmod(number, columns)
        x = _MARGIN + column * (_CELL + _GAP)
        y = _MARGIN + row * (_CELL + _TEXT + _GAP)
        _draw_one(canvas, (x, y), answer, class_names)
    stream = io.BytesIO()
    canvas.save(stream, "PNG")
    return stream.getvalue()


def _draw_one(
    canvas: Image.Image, corner: tuple[int, int], answer: Answer, class_names: Sequence[str]
) -> None:
    draw = ImageDraw.Draw(canvas)
    x, y = corner
    bold, plain = font(13, bold=True), font(11)
    if answer.image is None or answer.probabilities is None:
        box = (x, y, x + _CELL - 1, y + _CELL - 1)
        draw.rectangle(box, fill=_MISSING, outline=_WRONG, width=2)
        draw.line((x, y, x + _CELL - 1, y + _CELL - 1), fill=_WRONG)
        draw.line((x, y + _CELL - 1, x + _CELL - 1, y), fill=_WRONG)
        head, colour, below = "no answer", _WRONG, answer.status
    else:
        cell = Image.fromarray(answer.image).resize((_CELL, _CELL), Image.Resampling.BICUBIC)
        canvas.paste(cell, corner)
        best = int(answer.probabilities.argmax())
        head, colour = f"{answer.probabilities[best]:.1%} {class_names[best]}", _INK
        below = ""
    name = answer.file.rstrip("/").rpartition("/")[2]
    lines = [(head, bold, colour), (printable(name), plain, _PALE_INK), (below, plain, _WRONG)]
    for number, (text, letters, ink) in enumerate(lines):
        place = (x, y + _CELL + 4 + 15 * number)
        draw.text(place, shortened(text, letters, _CELL), ink, letters)
