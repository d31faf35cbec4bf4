"""Answers as lines: a table for a reader, or JSON for a program."""

import json
import unicodedata
from collections.abc import Sequence
from typing import Any, Protocol

from pipelines.runtime.console import printable
from trainer.asking.answer import Answer

_MOST_NAME_WIDTH = 72  # a longer one pushes its own line to the right


class Lines(Protocol):
    """How answers are written."""

    head: str
    """Comes first; '' for nothing."""

    def of(self, answer: Answer) -> str:
        """The line of an answer."""


class TableLines:
    """Aligned columns, as wide as the names that are known to come.

    Args:
        names: Of all files.
        class_names: In the order of the model's outputs.
        top: How many classes are shown, the most probable first.
    """

    def __init__(self, names: Sequence[str], class_names: Sequence[str], top: int) -> None:
        self._class_names = class_names
        self._top = min(top, len(class_names))
        widths = [shown_width(printable(name)) for name in names]
        self._name_width = max([4, *(width for width in widths if width <= _MOST_NAME_WIDTH)])
        self._class_width = max(5, *map(shown_width, class_names))
        classes = ["class", "probability"] * self._top
        self.head = self._line("file", classes, ("decode ms", "model ms"), "status")

    def of(self, answer: Answer) -> str:
        """See `Lines`."""
        name = printable(answer.file)
        if answer.probabilities is None:
            return self._line(name, ["-", "-"] * self._top, ("-", "-"), answer.status)
        ranked = (-answer.probabilities).argsort(kind="stable")[: self._top]
        classes = [
            cell
            for label in ranked
            for cell in (self._class_names[label], f"{answer.probabilities[label]:.2%}")
        ]
        times = (f"{answer.decode_ms:.1f}", f"{answer.model_ms:.1f}")
        return self._line(name, classes, times, answer.status)

    def _line(self, name: str, classes: list[str], times: tuple[str, str], status: str) -> str:
        cells = [_padded(name, self._name_width)]
        for class_name, probability in zip(classes[::2], classes[1::2], strict=True):
            cells += [_padded(class_name, self._class_width), f"{probability:>11}"]
        return "  ".join([*cells, f"{times[0]:>9}", f"{times[1]:>8}", printable(status)])


class JsonLines:
    """One object a line.

    Args:
        class_names: In the order of the model's outputs.
    """

    head = ""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._class_names = class_names

    def of(self, answer: Answer) -> str:
        """See `Lines`."""
        values: dict[str, Any] = {
            "file": answer.file,
            "class": None,
            "probability": None,
            "probabilities": None,
            "milliseconds": None,
            "status": answer.status,
        }
        if answer.probabilities is not None:
            best = int(answer.probabilities.argmax())
            probabilities = answer.probabilities.tolist()
            values |= {
                "class": self._class_names[best],
                "probability": probabilities[best],
                "probabilities": dict(zip(self._class_names, probabilities, strict=True)),
                "milliseconds": {
                    "decode": round(answer.decode_ms, 3),
                    "model": round(answer.model_ms, 3),
                },
            }
        return json.dumps(values, ensure_ascii=False)


def shown_width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _padded(text: str, width: int) -> str:
    return text + " " * (width - shown_width(text))
