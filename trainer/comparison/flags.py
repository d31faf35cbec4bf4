"""In which flags runs differ, and how that is written in tables, plots and names."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.config import TrainConfig

DEFAULT = "default"  # what a run is called whose flags are all at their defaults
_MOST_IN_LABEL = 3

Flags = Mapping[str, Any]


def is_silent(name: str) -> bool:
    """Whether a flag of the trainer has no part in what a run comes to, or in its speed."""
    field = _FIELDS.get(name)
    return field is not None and field.metadata["decides"] == "output"


def value_of(flags: Flags, name: str) -> Any:
    """A flag's value in a run; where the run is older than the flag, the flag's default."""
    field = _FIELDS.get(name)
    return flags.get(name, field.default if field is not None else None)


def differing_flags(runs: Sequence[Flags]) -> list[str]:
    """The names of the flags that are not the same in all runs, in the order of `--help`.

    Args:
        runs: The flags of each, as `TrainConfig.as_json` gives them.
    """
    known = [*_FIELDS, *sorted({name for flags in runs for name in flags} - _FIELDS.keys())]
    return [
        name
        for name in known
        if not is_silent(name) and len({shown(value_of(flags, name)) for flags in runs}) > 1
    ]


def shown(value: Any) -> str:
    """A flag's value as one would give it: true, 0.002, max_pool; none where it is not given."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(shown, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # 1 was given for it, or 1.0
    return str(value)


def label(flags: Flags, names: Sequence[str]) -> str:
    """What tells a run from the others: 'init=he_normal, seed=1'."""
    return ", ".join(f"{name}={shown(value_of(flags, name))}" for name in names)


def short_label(flags: Flags, names: Sequence[str]) -> str:
    """The same; where it would be long, only those of the flags that are not at their defaults."""
    if len(names) <= _MOST_IN_LABEL:
        return label(flags, names)
    changed = [name for name in names if value_of(flags, name) != value_of({}, name)]
    return label(flags, changed) or DEFAULT


_FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
