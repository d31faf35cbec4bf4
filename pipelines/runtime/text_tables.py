"""Numbers, names and tables as the commands that look at a set print them."""

from collections.abc import Iterator, Sequence

MAX_LISTED = 10  # names of one kind; --json has them all


def printable(text: str) -> str:
    """`text` on one line, quoted and escaped where it has what a terminal cannot show."""
    return text if text.isprintable() else repr(text)


def number(count: int) -> str:
    return f"{count:,}"


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def share(count: int, total: int) -> str:
    return f"{count / total:.1%}"


def megabytes(num_bytes: float) -> str:
    return f"{num_bytes / 1e6:.1f} MB"


def first_lines(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:MAX_LISTED]
    if len(lines) > MAX_LISTED:
        yield f"  and {number(len(lines) - MAX_LISTED)} more"


def table(rows: Sequence[Sequence[str]], last_is_text: bool = False) -> Iterator[str]:
    """Columns as wide as they need to be: the first aligned left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        if last_is_text:
            cells[-1] = others[-1]
        yield "   ".join([f"{first:{widths[0]}}", *cells]).rstrip()
