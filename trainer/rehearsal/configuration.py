"""All flags of a run as text, by group, those that differ from their default marked."""

import dataclasses
from typing import Any

from pipelines.runtime.command import as_flag, fields_by_group
from trainer.config import TrainConfig


def configuration_text(config: TrainConfig) -> str:
    """A line for each flag, as it can be given to the command, under its group."""
    groups: dict[str, list[str]] = {}
    for field in fields_by_group(TrainConfig):
        groups.setdefault(field.metadata["group"], []).append(_line(field, config))
    lines = ["Configuration (* is not the default)"]
    for group, flags in groups.items():
        lines += ["", f"{group}:", *flags]
    return "\n".join(lines)


def _line(field: dataclasses.Field[Any], config: TrainConfig) -> str:
    value = getattr(config, field.name)
    if value == field.default:
        return f"  {_flag(field.name, value)}"
    return f"* {_flag(field.name, value)}  (default: {_shown(field.default).strip('()')})"


def _flag(name: str, value: Any) -> str:
    return as_flag(name, "(not given)" if value in (None, ()) else value)


def _shown(value: Any) -> str:
    if value in (None, ()):
        return "(not given)"
    return ",".join(value) if isinstance(value, tuple) else str(value)
