"""What `--help` says: the flags of a command in groups, with their defaults."""

import dataclasses
import textwrap
from collections.abc import Iterable
from typing import Any

from absl import flags

from pipelines.runtime import console

HELP_FLAGS = frozenset({"--help", "-h", "-help", "--helpfull", "--helpshort"})
OTHER = "Other"  # the last group
_MOST_OF_WORDS = 50
_KEPT = "\u00a0"  # a space at which no line ends
_ARGUMENT_KINDS = {"int": "N", "float": "X", "comma separated list of strings": "A,B,..."}


def help_text(
    command: str,
    purpose: str,
    flag_values: flags.FlagValues,
    rest: dataclasses.Field[Any] | None,
    short: bool = False,
) -> str:
    """The text of `--help`, as wide as the terminal.

    Args:
        command: How the command is called.
        purpose: The head of the text. Paragraphs are wrapped; indented ones stay as they are.
        flag_values: Its flags; the module of each is the group under which it stands.
        rest: The field for what is not a flag, where the command takes that.
        short: Whether flags are only named, as for `--helpshort`.
    """
    usage = f"usage: {command} [--flag=value ...]{_rest_in_usage(rest)}"
    parts = [*map(_wrapped, purpose.strip().split("\n\n")), usage]
    if rest and not short:
        parts.append(f"{_rest_in_usage(rest).strip()}:\n{_indented(rest.metadata['help'])}")
    groups = dict(flag_values.flags_by_module_dict())
    other = groups.pop(OTHER, [])
    for group, group_flags in groups.items():
        parts.append(_group_help(group, group_flags, short))
    if short:
        parts.append(_wrapped(f"{command} --help says what they do."))
        return "\n\n".join(parts)
    flagfile = (
        "  --flagfile=FILE\n"
        + _indented("Reads flags from FILE, one a line, as if they stood here; later ones win.")
        + f"\n      {command} --flagfile=my.flags"
    )
    parts.append("\n".join([f"{OTHER}:", *map(_flag_help, other), flagfile]))
    return "\n\n".join(parts)


def _rest_in_usage(rest: dataclasses.Field[Any] | None) -> str:
    if rest is None:
        return ""
    if "arguments" in rest.metadata:
        return f" {rest.metadata['arguments']}"
    return f" -- {rest.metadata['after_dashes']}"


def _group_help(group: str, group_flags: Iterable[flags.Flag], short: bool) -> str:
    if not short:
        return "\n".join([f"{group}:", *map(_flag_help, group_flags)])
    names = " ".join(_head(flag) for flag in group_flags)
    return f"{group}:\n{_indented(names, '  ')}"


def _flag_help(flag: flags.Flag) -> str:
    shown = "" if flag.default in (None, []) else flag.default_as_str.strip("'")
    default = f" (default:{_KEPT}{shown})" * bool(shown)
    # absl puts "<a|b>: " before an enum's help, and a line of its own after a repeated flag's.
    text = flag.help.split(">: ", 1)[-1].partition(";\n    repeat this option")[0]
    words = ""
    if isinstance(flag, flags.EnumFlag) and not _are_few(flag):
        words = f" One of {', '.join(flag.parser.enum_values)}."
    return f"  {_head(flag)}\n{_indented(text + words + default)}"


def _head(flag: flags.Flag) -> str:
    if flag.boolean:
        return f"--[no]{flag.name}"
    if isinstance(flag, flags.EnumFlag) and _are_few(flag):
        return f"--{flag.name}={'|'.join(flag.parser.enum_values)}"
    again = " (may be repeated)" if isinstance(flag, flags.MultiFlag) else ""
    return f"--{flag.name}={_ARGUMENT_KINDS.get(flag.flag_type(), 'VALUE')}{again}"


def _are_few(flag: flags.EnumFlag) -> bool:
    """Whether all words that a flag takes stand well in a line after its name."""
    return len("|".join(flag.parser.enum_values)) <= _MOST_OF_WORDS


def _wrapped(paragraph: str) -> str:
    if any(line.startswith(" ") for line in paragraph.splitlines()):
        return paragraph
    return textwrap.fill(" ".join(paragraph.split()), console.help_width())


def _indented(text: str, indent: str = " " * 6) -> str:
    filled = textwrap.fill(
        text,
        console.help_width(),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return filled.replace(_KEPT, " ")
