"""The flags that a study varies, and their values: `--vary=FLAG=VALUE,VALUE,...`."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from absl import flags

from pipelines.runtime.command import values_of
from pipelines.runtime.errors import InputError
from trainer.comparison.flags import is_silent, shown

NONE = "none"  # the value of a flag that is not given


@dataclasses.dataclass(frozen=True)
class Factor:
    """A flag of the trainer that is varied.

    Attributes:
        name: The flag's.
        values: What it is given, the baseline's first.
    """

    name: str
    values: tuple[Any, ...]


def parse_factors(
    given: Sequence[str], trainer_flags: flags.FlagValues, defaults: dict[str, Any]
) -> tuple[Factor, ...]:
    """What `--vary` says, each time that it is given.

    Args:
        given: As "init=he_normal,glorot_uniform".
        trainer_flags: Those of the trainer, which know how a value is written.
        defaults: The value of each of them when it is not given.

    Raises:
        InputError: for a flag that the trainer does not have or that is not to be varied, and for
            values that it does not take or that are given twice.
    """
    factors = [_parse_factor(text, trainer_flags, defaults) for text in given]
    names = [factor.name for factor in factors]
    for text, name in zip(given, names, strict=True):
        if names.count(name) > 1:
            raise InputError(
                f"received --vary={text} and another --vary={name}=..., expected each flag once; "
                f"write --vary={name}=A,B,C."
            )
    return tuple(factors)


def _parse_factor(text: str, trainer_flags: flags.FlagValues, defaults: dict[str, Any]) -> Factor:
    name, has_values, listed = text.partition("=")
    name = name.strip().removeprefix("--")
    words = [word.strip() for word in listed.split(",")]
    if not has_values or not name or not all(words):
        raise InputError(
            f"received --vary={text}, expected FLAG=VALUE,VALUE,..., such as "
            "init=he_normal,glorot_uniform."
        )
    _check_name(text, name, defaults)
    values = tuple(_parse_value(text, word, trainer_flags[name], defaults[name]) for word in words)
    written = [shown(value) for value in values]
    twice = next((word for word in written if written.count(word) > 1), None)
    if twice is not None:
        raise InputError(
            f"received --vary={text}, in which {twice} is given twice, expected each value once."
        )
    return Factor(name, values)


def _check_name(text: str, name: str, defaults: dict[str, Any]) -> None:
    if name == "seed":
        raise InputError(
            f"received --vary={text}, expected another flag: --seeds=N runs every combination with "
            "N seeds, from --seed on."
        )
    if name not in defaults:
        raise InputError(
            f"received --vary={text}, but trainer.main has no flag --{name}, expected one of its "
            "flags; `python -m trainer.main --help` lists them."
        )
    if is_silent(name):
        raise InputError(
            f"received --vary={text}, but --{name} says where or how a run is kept, not what it "
            "comes to, expected a flag of the model or its training; vary another one."
        )


def _parse_value(text: str, word: str, flag: flags.Flag, default: Any) -> Any:
    if default is None and word.lower() == NONE:
        return None
    try:
        return flag.parser.parse(word)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"received --vary={text}, in which {word!r} is no value of --{flag.name}, expected "
            f"{values_of(flag)}; `python -m trainer.main --help` says more."
        ) from error
