"""How a command speaks: how much it says, in which colours, as bars or as lines, of which paths.

One setting for the whole process, as the levels of a logger are: `--verbosity` of the command.
"""

import os
import sys
from collections.abc import Mapping
from typing import TextIO

from pipelines.runtime.typed_paths import as_typed

VERBOSITIES = ("error", "warning", "info", "debug")
DEFAULT_VERBOSITY = "warning"

_YELLOW, _BOLD_RED = "33", "1;31"  # parameters of ECMA-48's "select graphic rendition"

_verbosity = DEFAULT_VERBOSITY
_typed: Mapping[str, str] = {}


def set_verbosity(verbosity: str) -> None:
    """Sets how much this process says, one of `VERBOSITIES`."""
    global _verbosity
    _verbosity = verbosity


def set_typed_paths(typed: Mapping[str, str]) -> None:
    """Has messages name paths as the user did; see `pipelines.runtime.typed_paths.typed_paths`."""
    global _typed
    _typed = typed


def verbosity() -> str:
    """How much this process says, one of `VERBOSITIES`."""
    return _verbosity


def speaks() -> bool:
    """Whether more is said than the command's result and the reason of a failure."""
    return _verbosity != "error"


def tell(text: str) -> None:
    """Prints on stdout a result of the command, whatever the verbosity."""
    print(as_typed(text, _typed), flush=True)


def say(text: str) -> None:
    """Prints on stdout what is no result of the command, such as how far it is."""
    if speaks():
        tell(text)


def note(text: str) -> None:
    """Prints on stderr what the user may want to know."""
    if speaks():
        print(as_typed(text, _typed), file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Prints a line on stderr with "warning: " before it."""
    note(f"{_coloured('warning', _YELLOW)}: {text}")


def tell_failure(command: str, reason: str) -> None:
    """Prints on stderr, whatever the verbosity, why a command has failed; `reason` is one line."""
    line = f"{_coloured(f'{command}:', _BOLD_RED)} {as_typed(reason, _typed)}"
    print(line, file=sys.stderr, flush=True)


def shows_bars() -> bool:
    """Whether progress is shown as bars, on stderr: on a terminal that says how large it is."""
    return speaks() and bar_columns() > 0


def bar_columns() -> int:
    """The width of the terminal that stderr is; 0 for none, or if it does not say its size."""
    return _columns(sys.stderr)


def help_width() -> int:
    """Columns for long texts on stdout: the terminal's, 100 at the most; 80 elsewhere."""
    columns = os.environ.get("COLUMNS", "")
    wanted = int(columns) if columns.isdecimal() and int(columns) else _columns(sys.stdout) or 80
    return max(40, min(wanted, 100))


def _columns(stream: TextIO) -> int:
    """The width of a terminal; 0 for what is none, or does not say its size, as in `script -c`."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):  # closed, no file, or replaced by a test
        return 0
    return size.columns if size.lines else 0


def _coloured(text: str, colour: str) -> str:
    """`text` in a colour if stderr is a terminal that has some; see https://no-color.org."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain or not sys.stderr.isatty() else f"\x1b[{colour}m{text}\x1b[0m"
