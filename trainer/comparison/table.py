"""A table of figures: on the terminal, in Markdown, as CSV and as JSON."""

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from pipelines.runtime.console import printable, table

UNKNOWN = "-"


@dataclasses.dataclass(frozen=True)
class Column:
    """One figure of all rows.

    Attributes:
        title: Its head; in CSV and JSON with underscores, 'images/s' as 'images_per_second'.
        values: One a row; None where it is not known.
        show: How a value is written for a reader.
    """

    title: str
    values: Sequence[Any]
    show: Callable[[Any], str] = str

    @property
    def key(self) -> str:
        """The title for programs."""
        return re.sub(r"\W+", "_", self.title.replace("/s", "_per_second")).lower()

    @property
    def cells(self) -> list[str]:
        """The values for a reader."""
        return [UNKNOWN if value is None else printable(self.show(value)) for value in self.values]


def share(value: float) -> str:
    """A share in percent: 98.21%."""
    return f"{value:.2%}"


def count(value: float) -> str:
    """A whole number: 2,658,820."""
    return f"{value:,.0f}"


def decimal(value: float) -> str:
    """A number with four decimals."""
    return f"{value:.4f}"


def text_table(columns: Sequence[Column]) -> str:
    """Columns of a terminal, the first aligned left, the others right."""
    return "\n".join(table(_rows(columns)))


def markdown_table(columns: Sequence[Column]) -> str:
    """The same in Markdown."""
    head, *rows = _rows(columns)
    rule = ["---", *["---:"] * (len(columns) - 1)]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
        for row in (head, rule, *rows)
    )


def csv_table(columns: Sequence[Column]) -> str:
    """The values themselves; nothing where one is not known."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.key for column in columns])
    writer.writerows(zip(*(column.values for column in columns), strict=True))
    return stream.getvalue()


def json_table(columns: Sequence[Column]) -> str:
    """A list with an object for each row; null where a value is not known."""
    rows = zip(*(column.values for column in columns), strict=True)
    documents = [
        {column.key: value for column, value in zip(columns, row, strict=True)} for row in rows
    ]
    return json.dumps(documents, indent=2, ensure_ascii=False) + "\n"


def _rows(columns: Sequence[Column]) -> list[list[str]]:
    cells = zip(*(column.cells for column in columns), strict=True)
    return [[column.title for column in columns], *map(list, cells)]
