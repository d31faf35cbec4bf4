"""Names of files as the user typed them, in messages of code that was given an absolute path."""

import dataclasses
import os
import re
from collections.abc import Mapping


def typed_paths(config: object) -> dict[str, str]:
    """What the flags of a command that may be paths become on their way, and what was typed.

    Args:
        config: A dataclass; its strings are looked at.
    """
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
