"""What `--help` says: the flags of a command in groups, with their defaults."""

import dataclasses
import textwrap
from typing import Any

from absl import flags


def help_text(
    command: str,
    purpose: str,
    flag_values: flags.FlagValues,
    rest: dataclasses.Field[Any] | None,
) -> str:
    """The text of `--help`.

    Args:
        command: How the command is called.
        purpose: The head of the text.
        flag_values: Its flags; the module of each is the group under which it stands.
        rest: The field for what stands after `--`, where the command takes that.
    """
    after = f" -- {rest.metadata['after_dashes']}" if rest else ""
    parts = [f"{purpose.strip()}\n\nusage: {command} [--flag=value ...]{after}"]
    for group, group_flags in flag_values.flags_by_module_dict().items():
        parts.append("\n".join([f"{group}:", *map(_flag_help, group_flags)]))
    parts.append("Other:\n  --flagfile=FILE\n      Reads flags from FILE, one a line.")
    if rest:
        parts.append(
            f"After --:\n  {rest.metadata['after_dashes']}\n" + _indented(rest.metadata["help"])
        )
    return "\n\n".join(parts)


def _flag_help(flag: flags.Flag) -> str:
    if flag.boolean:
        head = f"  --[no]{flag.name}"
    elif isinstance(flag, flags.EnumFlag):
        head = f"  --{flag.name}={'|'.join(flag.parser.enum_values)}"
    else:
        kinds = {"int": "N", "float": "X", "comma separated list of strings": "A,B,..."}
        head = f"  --{flag.name}={kinds.get(flag.flag_type(), 'VALUE')}"
    default = "" if flag.default is None else f" (default: {flag.default_as_str.strip(chr(39))})"
    text = flag.help.split(">: ", 1)[-1]  # absl puts "<a|b>: " before an enum's help
    return f"{head}\n{_indented(text + default)}"


def _indented(text: str) -> str:
    indent = " " * 6
    return textwrap.fill(text, 96, initial_indent=indent, subsequent_indent=indent)
