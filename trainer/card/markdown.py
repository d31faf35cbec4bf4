"""Text, tables and commands as Markdown, in the dialect that GitHub shows."""

import re
import shlex
from collections.abc import Sequence

from pipelines.runtime.console import printable

# An underscore between letters or digits stands for itself.
_SPECIAL = re.compile(r"([\\`*{}\[\]<>#|~$&]|(?<![^\W_])_|_(?![^\W_]))")


def escaped(text: str) -> str:
    """A name, shown as it is whatever characters it has."""
    return _SPECIAL.sub(r"\\\1", printable(text))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column aligned left, the others right; the cells are Markdown themselves."""
    rules = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rules, *rows))


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Names and what is to be said under them, in two columns."""
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def commands(*lines: Sequence[str]) -> str:
    """A block of commands, each of words that the shell is to take as they are."""
    joined = [" ".join(map(shlex.quote, line)) for line in lines]
    return "\n".join(["```", *joined, "```"])


def percent(share: float) -> str:
    """A share in [0, 1]."""
    return f"{share:.1%}"


def interval(low: float, high: float) -> str:
    """From where to where a share may be."""
    return f"{low:.1%} to {high:.1%}"
