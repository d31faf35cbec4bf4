"""What the benchmarks' commands share: types of their options, and how they end.

An option that argparse can judge by itself ends a command as argparse does, with usage and 2; all
else that was foreseen with one line and 1.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipelines.runtime.command import StoppedBySignal
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import check_output_file


def listed(kind: Callable[[str], Any], least: int = 0) -> Callable[[str], list[Any]]:
    """Makes argparse's `type` for values between commas, no two alike and numbers not too small."""

    def parse(text: str) -> list[Any]:
        values = [kind(part) for part in text.split(",")]
        if len(set(values)) < len(values) or "" in values:
            raise argparse.ArgumentTypeError(f"received {text}, expected no value twice or empty")
        if kind is int and min(values) < least:
            raise argparse.ArgumentTypeError(f"received {text}, expected {least} or more each")
        return values

    return parse


def add_output_file(parser: argparse.ArgumentParser, flag: str, help: str) -> None:
    """Adds an option for a file that is written last: that it can be is checked before the work.

    Its folder is made if it is not there. Given, the value is a Path.
    """

    def parse(text: str) -> Path:
        path = Path(text)
        with contextlib.suppress(OSError):  # which the check then names
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            check_output_file(flag, text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return path

    parser.add_argument(flag, type=parse, metavar="FILE", help=help)


@contextlib.contextmanager
def ending_in_one_line() -> Iterator[None]:
    """Ends the program with one line, and the status of all commands, for what was foreseen."""
    try:
        yield
    except InputError as error:
        sys.exit(" ".join(str(error).split()))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except StoppedBySignal as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(128 + stopped.signal_number)
