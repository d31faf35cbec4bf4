"""What every command shares: flags from a config, help, one-line errors, exit statuses.

A command is a frozen dataclass that says what can be chosen, and a `main` that takes it:

    @dataclasses.dataclass(frozen=True)
    class GreetConfig:
        name: str = option("world", "Whom to greet.", group="Greeting")

    if __name__ == "__main__":
        run(main, GreetConfig)

Nothing here imports TensorFlow: a typo is answered at once.
"""

import contextlib
import dataclasses
import os
import signal
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from absl import flags

from pipelines.errors import InputError

EXIT_DONE, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
EXIT_INTERRUPTED, EXIT_TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM

Config = TypeVar("Config")


def option(default: Any, help: str, *, group: str, choices: Sequence[str] = ()) -> Any:
    """A dataclass field that is also a flag of the command.

    Args:
        default: The flag's default; None stands for 'not given'.
        help: What the flag does, in which unit or range.
        group: The heading in `--help` under which the flag stands.
        choices: The values allowed, for a flag that takes one of a few words.
    """
    metadata = {"help": help, "group": group, "choices": tuple(choices)}
    return dataclasses.field(default=default, metadata=metadata)


def run(main: Callable[[Config], None], config_class: type[Config]) -> None:
    """Turns `sys.argv` into a config, calls `main` with it and exits as all commands do.

    Exit status: 0 done; 1 failed, with one line for an `InputError` and a traceback for anything
    unforeseen; 2 wrong usage; 130 and 143 stopped by SIGINT and SIGTERM.

    Args:
        main: The command. Its module's docstring is the head of `--help`.
        config_class: Frozen dataclass whose fields are made with `option`; its `__post_init__`
            raises `InputError` for values that cannot be.
    """
    command = f"python -m {_module_name()}"
    flag_values = define_flags(config_class)
    if {"--help", "-h", "-help", "--helpfull"} & set(sys.argv[1:]):
        with contextlib.suppress(BrokenPipeError):  # as under `--help | head`
            print(_help_text(command, sys.modules[main.__module__].__doc__ or "", flag_values))
            sys.stdout.flush()
            sys.exit(EXIT_DONE)
        _forget_stdout()
        sys.exit(EXIT_DONE)
    try:
        config = parse_config(config_class, flag_values, sys.argv)
    except (flags.Error, InputError) as error:
        _fail(f"{command}: {_one_line(error)} (--help lists the flags.)", EXIT_USAGE)
    try:
        signal.signal(signal.SIGTERM, _raise_terminated)
        _choose_keras_backend()
        main(config)
    except InputError as error:
        _fail(f"{command}: {_one_line(error)}", EXIT_FAILED)
    except KeyboardInterrupt:
        _fail(f"{command}: interrupted.", EXIT_INTERRUPTED)
    except _Terminated:
        _fail(f"{command}: terminated.", EXIT_TERMINATED)
    except BrokenPipeError:
        # The reader of the pipe (head, less) has gone: there is nobody left to tell.
        _forget_stdout()
        sys.exit(EXIT_FAILED)


def define_flags(config_class: type) -> flags.FlagValues:
    """The flags that the fields of `config_class` stand for, with their types and defaults."""
    flag_values = flags.FlagValues()
    flag_values.set_gnu_getopt(True)
    hints = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        keywords = {"flag_values": flag_values, "module_name": field.metadata["group"]}
        if field.metadata["choices"]:
            arguments = (field.name, field.default, field.metadata["choices"])
            flags.DEFINE_enum(*arguments, field.metadata["help"], **keywords)
        else:
            define = _DEFINE_BY_TYPE[_without_none(hints[field.name])]
            define(field.name, field.default, field.metadata["help"], **keywords)
    return flag_values


def parse_config(
    config_class: type[Config], flag_values: flags.FlagValues, argv: Sequence[str]
) -> Config:
    """Makes the config from `argv`, whose first item is the program's name.

    Raises:
        flags.Error: for an unknown flag or a value of the wrong type.
        InputError: for an argument that is no flag, and for values that `config_class` refuses.
    """
    positional = flag_values(list(argv))[1:]
    if positional:
        raise InputError(
            f"received the argument {positional[0]!r}, expected flags only; write --name=value."
        )
    values = {name: flag_values[name].value for name in flag_values}
    # absl gives a list for a tuple's flag; a frozen config holds no lists.
    frozen = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return config_class(**frozen)


_DEFINE_BY_TYPE: dict[Any, Callable[..., Any]] = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
    tuple[str, ...]: flags.DEFINE_list,
}


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return next(part for part in typing.get_args(hint) if part is not type(None))
    return hint


def _module_name() -> str:
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec else os.path.basename(sys.argv[0])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _forget_stdout() -> None:
    """Sends what is still to be written to nowhere, or Python would complain when it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(status)


class _Terminated(SystemExit):
    """SIGTERM came; raised in the main thread, whatever that is at."""


def _raise_terminated(signal_number: int, frame: object) -> None:
    raise _Terminated(EXIT_TERMINATED)


def _choose_keras_backend() -> None:
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise InputError(
            f"received KERAS_BACKEND={backend!r}, expected 'tensorflow' (the training loop is "
            "written against tf.distribute); unset KERAS_BACKEND."
        )


def _help_text(command: str, purpose: str, flag_values: flags.FlagValues) -> str:
    parts = [f"{purpose.strip()}\n\nusage: {command} [--flag=value ...]"]
    for group, group_flags in flag_values.flags_by_module_dict().items():
        parts.append("\n".join([f"{group}:", *map(_flag_help, group_flags)]))
    parts.append("Other:\n  --flagfile=FILE\n      Reads flags from FILE, one a line.")
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
    indent = " " * 6
    help_text = flag.help.split(">: ", 1)[-1]  # absl puts "<a|b>: " before an enum's help
    text = textwrap.fill(help_text + default, 96, initial_indent=indent, subsequent_indent=indent)
    return f"{head}\n{text}"
