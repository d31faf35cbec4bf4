"""How a command speaks: messages, warnings, progress, tables, and paths as the user typed them.

One setting for the whole process, as the levels of a logger are: `--verbosity` of the command.
`rich` and `tqdm` are imported where they are used, so that `--help` need not wait for them.
"""

import dataclasses
import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TextIO, TypeVar

VERBOSITIES = ("error", "warning", "info", "debug")
DEFAULT_VERBOSITY = "warning"
MAX_LISTED = 10  # names of one kind; --json has them all

_SECONDS_BETWEEN_LINES = 10
_SECONDS_BETWEEN_RATES = 0.5
_ANY_WIDTH = 10_000  # columns of a table in a file or a pipe, which has no edge

# Of this process, set by the command: how much is said, and the paths as the user typed them.
verbosity = DEFAULT_VERBOSITY
paths_as_typed: Mapping[str, str] = {}

Item = TypeVar("Item")


def speaks() -> bool:
    """Whether more is said than the command's result and the reason of a failure."""
    return verbosity != "error"


# Messages.


def tell(text: str) -> None:
    """Prints a result of the command on stdout, whatever the verbosity."""
    print(as_typed(text, paths_as_typed), flush=True)


def say(text: str) -> None:
    """Prints on stdout what is no result of the command, such as its progress."""
    if speaks():
        tell(text)


def note(text: str) -> None:
    """Prints on stderr what the user may want to know."""
    if speaks():
        print(as_typed(text, paths_as_typed), file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Prints a line on stderr that begins with "warning: "."""
    if speaks():
        _print_with_head("warning", "yellow", f": {as_typed(text, paths_as_typed)}")


def tell_failure(command: str, reason: str) -> None:
    """Prints on stderr, whatever the verbosity, why a command has failed; `reason` is one line."""
    _print_with_head(f"{command}:", "bold red", f" {as_typed(reason, paths_as_typed)}")


def _print_with_head(head: str, style: str, rest: str) -> None:
    """Prints a line on stderr; its head is coloured on terminals that have colours."""
    from rich.console import Console
    from rich.text import Text

    # `rich` knows https://no-color.org, but not that an empty NO_COLOR does not count.
    plain = bool(os.environ.get("NO_COLOR")) or not sys.stderr.isatty()
    console = Console(stderr=True, no_color=plain, color_system=None if plain else "auto")
    console.print(Text.assemble((head, style), rest), soft_wrap=True)
    sys.stderr.flush()


# Paths as the user typed them, in messages of code that was given an absolute path.


def typed_paths(config: object) -> dict[str, str]:
    """Maps what the paths among the strings of a config become on their way to what was typed."""
    typed = {}
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        value = getattr(config, field.name)
        if not isinstance(value, str) or not value or "://" in value:
            continue
        expanded = os.path.expanduser(value)
        for changed in (expanded, os.path.abspath(expanded), os.path.realpath(expanded)):
            if changed not in (value, os.sep):
                typed[changed] = value
    return typed


def as_typed(text: str, typed: Mapping[str, str]) -> str:
    """`text` with the paths that `typed` names, and those in them, as they were typed."""
    for changed in sorted(typed, key=len, reverse=True):
        whole = rf"(?<![\w./~-]){re.escape(changed)}(?![\w-]|\.\w)"
        text = re.sub(whole, typed[changed].replace("\\", r"\\"), text)
    return text


# Progress.


def progress(
    items: Iterable[Item], total: int, what: str, bytes_of: Callable[[Item], int] | None = None
) -> Iterator[Item]:
    """Hands on `items`, with a bar on a terminal, and elsewhere a line every ten seconds.

    With `--verbosity=error` it says nothing. Where `bytes_of` gives an item's size in bytes, a rate
    in megabytes a second stands beside the items'.
    """
    from tqdm import tqdm

    has_bar = shows_bars()
    start = time.monotonic()
    interval = _SECONDS_BETWEEN_RATES if has_bar else _SECONDS_BETWEEN_LINES
    next_time = start + interval
    num_bytes = 0
    with tqdm(total=total, desc=what, leave=False, disable=not has_bar) as bar:
        for count, item in enumerate(items, start=1):
            yield item
            bar.update()
            num_bytes += bytes_of(item) if bytes_of else 0
            now = time.monotonic()
            if now < next_time:
                continue
            next_time = now + interval
            rate = f"{num_bytes / 1e6 / (now - start):.1f} MB/s" if bytes_of else ""
            bar.set_postfix_str(rate)
            if not has_bar:
                per_second = f"{count / (now - start):.1f}/s"
                line = ", ".join(filter(None, (f"{what}: {count} of {total}", per_second, rate)))
                note(line)


def shows_bars() -> bool:
    """Whether progress is shown as bars, on stderr: on a terminal that says how large it is."""
    return speaks() and columns(sys.stderr) > 0


# Texts and tables.


def help_width() -> int:
    """Columns for long texts on stdout: the terminal's, 100 at the most; 80 elsewhere."""
    wanted = os.environ.get("COLUMNS", "")
    width = int(wanted) if wanted.isdecimal() and int(wanted) else columns(sys.stdout) or 80
    return max(40, min(width, 100))


def table(rows: Sequence[Sequence[str]], last_is_text: bool = False) -> Iterator[str]:
    """The lines of a table: its first column aligned left, the others right.

    Cells are wrapped where a terminal is narrower than the table.

    Args:
        rows: Of equal length, the head among them.
        last_is_text: Whether the last column is aligned left, too.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    last = len(rows[0]) - 1
    for number in range(last + 1):
        left = number == 0 or (number == last and last_is_text)
        grid.add_column(justify="left" if left else "right", overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    stream = io.StringIO()
    width = columns(sys.stdout) or _ANY_WIDTH
    Console(file=stream, width=width, color_system=None).print(grid)
    yield from (line.rstrip() for line in stream.getvalue().splitlines())


def first_lines(lines: Sequence[str]) -> Iterator[str]:
    """The first `MAX_LISTED` lines, indented, and how many more there are."""
    yield from (f"  {line}" for line in lines[:MAX_LISTED])
    if len(lines) > MAX_LISTED:
        yield f"  and {len(lines) - MAX_LISTED:,} more"


def printable(text: str) -> str:
    """`text` on one line, quoted and escaped where it has what a terminal cannot show."""
    return text if text.isprintable() else repr(text)


def counted(count: int, noun: str) -> str:
    """A number and its noun: '1 image', '1,674 images'."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def share(count: int, total: int) -> str:
    """A share in percent: '25.0%'."""
    return f"{count / total:.1%}"


def readable_size(num_bytes: float) -> str:
    """A number of bytes: '18 kB', '5.1 MB', from 100 MB on '1,250 MB'."""
    if num_bytes < 1e6:
        return f"{num_bytes / 1e3:,.0f} kB"
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes < 1e8 else f"{num_bytes / 1e6:,.0f} MB"


def columns(stream: TextIO) -> int:
    """The width of a terminal; 0 for what is none, or does not say its size, as in `script -c`."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):  # closed, no file, or replaced by a test
        return 0
    return size.columns if size.lines else 0
