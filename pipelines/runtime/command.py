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
from typing import Any, Literal, NoReturn, TypeVar

from absl import flags

from pipelines.runtime import console
from pipelines.runtime.errors import InputError, one_line
from pipelines.runtime.tensorflow_runtime import set_library_messages

EXIT_DONE, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
EXIT_INTERRUPTED, EXIT_TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
HELP_FLAGS = frozenset({"--help", "-h", "-help", "--helpfull", "--helpshort"})
OTHER = "Other"  # the last group of `--help`

_VERBOSITY = "verbosity"  # a flag of every command, and of no config
_DEFINE_BY_TYPE: dict[Any, Callable[..., Any]] = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
    tuple[str, ...]: flags.DEFINE_list,
}
_MOST_OF_WORDS = 50
_KEPT = "\u00a0"  # a space at which no line ends
# What absl calls a flag's type -> what stands for a value in `--help`, and what a value is.
_KINDS = {
    "int": ("N", "a whole number"),
    "float": ("X", "a number"),
    "bool": ("VALUE", "true or false"),
    "comma separated list of strings": ("A,B,...", "A,B,... in which every quote is closed"),
}
_ANY_TEXT = "VALUE", "text"

Config = TypeVar("Config")


# The fields of a config.


def option(
    default: Any,
    help: str,
    *,
    group: str,
    choices: Sequence[str] = (),
    decides: Literal["result", "speed", "output"] = "result",
    is_place: bool = False,
    per_worker: bool = False,
) -> Any:
    """A dataclass field that is also a flag of the command, with all that is known of it.

    Args:
        default: None stands for 'not given'.
        help: What the flag does, in which unit or range.
        group: The heading in `--help` under which the flag stands.
        choices: The values allowed, for a flag that takes one of a few words.
        decides: What depends on it. "result": what a run computes, so that a run goes on with the
            same value only. "speed": how fast, so that it may change, and tables of runs show it.
            "output": what is kept or said, and where things are; runs are not compared by it.
        is_place: Whether it names a place on this machine, which the command that repeats a run
            leaves out.
        per_worker: Whether each worker of a distributed run may have a value of its own.
    """
    known = {
        "help": help,
        "group": group,
        "choices": tuple(choices),
        "decides": decides,
        "is_place": is_place,
        "per_worker": per_worker,
    }
    return dataclasses.field(default=default, metadata=known)


def repeated(help: str, *, group: str) -> Any:
    """A dataclass field, a tuple of strings, that is a flag which may be given several times."""
    metadata = {"help": help, "group": group, "choices": (), "repeated": True}
    return dataclasses.field(default=(), metadata=metadata)


def arguments(name: str, help: str, *, after_dashes: bool = False) -> Any:
    """A dataclass field, a tuple of strings, for what the command is given without a flag's name.

    A command without such a field takes nothing but its flags; it can have one at most. What stands
    after `--` is an argument, whatever it begins with.

    Args:
        name: What it is called in `--help`: "IMAGE_OR_FOLDER...", "FLAGS OF another.command".
        after_dashes: Whether only what stands after `--` is taken.
    """
    known = {"arguments": name, "help": help, "after_dashes": after_dashes}
    return dataclasses.field(default=(), metadata=known)


def fields_by_group(config_class: type) -> list[dataclasses.Field[Any]]:
    """The fields of a config, those of a group together, in the order of `config_class.GROUPS`."""
    groups = getattr(config_class, "GROUPS", ())
    ranks = {group: rank for rank, group in enumerate(groups)}
    fields = dataclasses.fields(config_class)
    return sorted(fields, key=lambda field: ranks.get(field.metadata.get("group"), len(ranks)))


def _rest_of(config_class: type) -> dataclasses.Field[Any] | None:
    """The field for what is not a flag, where the command takes that."""
    fields = dataclasses.fields(config_class)
    return next((field for field in fields if "arguments" in field.metadata), None)


# How a command runs and ends.


class StoppedBySignal(Exception):
    """A command noted a signal, put its work in order and says how it goes on."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number  # for the exit status


class _Terminated(SystemExit):
    """SIGTERM came; raised in the main thread, whatever that is at."""


def run(main: Callable[[Config], None], config_class: type[Config]) -> Config:
    """Turns `sys.argv` into a config, calls `main` with it and exits as all commands do.

    Returns the config if all went well. Exit status: 0 done; 1 failed, with one line for an
    `InputError` and a traceback for anything unforeseen; 2 wrong usage; 130 and 143 stopped by
    SIGINT and SIGTERM.

    Args:
        main: The command. Its module's docstring is the head of `--help`.
        config_class: Frozen dataclass whose fields are made with `option`; its `__post_init__`
            raises `InputError` for values that cannot be.
    """
    command = command_name()
    asked = HELP_FLAGS & set(sys.argv[1:])
    if asked:
        purpose = sys.modules[main.__module__].__doc__ or ""
        try:
            print(help_text(command, purpose, config_class, asked == {"--helpshort"}), flush=True)
        except BrokenPipeError:  # as under `--help | head`
            _forget_stdout()
        sys.exit(EXIT_DONE)
    flag_values = define_flags(config_class)
    try:
        config = parse_config(config_class, flag_values, sys.argv)
    except (flags.Error, InputError) as error:
        _fail(command, f"{one_line(error)} (--help lists the flags.)", EXIT_USAGE)
    console.verbosity = flag_values[_VERBOSITY].value
    console.paths_as_typed = console.typed_paths(config)
    set_library_messages(console.verbosity)
    try:
        signal.signal(signal.SIGTERM, _raise_terminated)
        _choose_keras_backend()
        main(config)
        sys.stdout.flush()  # here, where a reader who has gone is no error
        return config
    except InputError as error:
        _fail(command, one_line(error), EXIT_FAILED)
    except PermissionError as error:
        _fail(
            command,
            f"received {error.filename or 'a file'}, which may not be read or written (permission "
            "denied), expected one that may; see to its permissions, or choose another.",
            EXIT_FAILED,
        )
    except StoppedBySignal as stopped:
        _fail(command, one_line(stopped), 128 + stopped.signal_number)
    except KeyboardInterrupt:
        _fail(command, "interrupted.", EXIT_INTERRUPTED)
    except _Terminated:
        _fail(command, "terminated.", EXIT_TERMINATED)
    except BrokenPipeError:
        # The reader of the pipe (head, less) has gone: there is nobody left to tell.
        _forget_stdout()
        sys.exit(EXIT_FAILED)


def command_name() -> str:
    """How this process was started, for the head of its last line: 'python -m trainer.main'."""
    spec = sys.modules["__main__"].__spec__
    return f"python -m {spec.name if spec else os.path.basename(sys.argv[0])}"


def _forget_stdout() -> None:
    """Sends what is still to be written to nowhere, or Python would complain when it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(command: str, reason: str, status: int) -> NoReturn:
    console.tell_failure(command, reason)
    sys.exit(status)


def _raise_terminated(signal_number: int, frame: object) -> None:
    raise _Terminated(EXIT_TERMINATED)


def _choose_keras_backend() -> None:
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise InputError(
            f"received KERAS_BACKEND={backend!r}, expected 'tensorflow' (the training loop is "
            "written against tf.distribute); unset KERAS_BACKEND."
        )


# From flags to a config, and back.


def define_flags(config_class: type) -> flags.FlagValues:
    """The flags that the fields of `config_class` stand for, and those that every command has.

    They are in the order of `--help`: that of the groups which `config_class.GROUPS` names, if it
    does, and then that of the fields.
    """
    flag_values = flags.FlagValues()
    flag_values.set_gnu_getopt(True)
    hints = typing.get_type_hints(config_class)
    for field in fields_by_group(config_class):
        if "arguments" in field.metadata:
            continue
        keywords = {"flag_values": flag_values, "module_name": field.metadata["group"]}
        if field.metadata["choices"]:
            arguments = (field.name, field.default, field.metadata["choices"])
            flags.DEFINE_enum(*arguments, field.metadata["help"], **keywords)
        elif "repeated" in field.metadata:
            flags.DEFINE_multi_string(field.name, [], field.metadata["help"], **keywords)
        else:
            hint = hints[field.name]
            kind = typing.get_args(hint)[0] if isinstance(hint, types.UnionType) else hint
            define = _DEFINE_BY_TYPE[kind]  # of `int | None` that of int
            define(field.name, field.default, field.metadata["help"], **keywords)
    flags.DEFINE_enum(
        _VERBOSITY,
        console.DEFAULT_VERBOSITY,
        console.VERBOSITIES,
        "How much is said. error: the result, and why the command failed; no progress, no "
        "warnings. warning: these, too. info and debug: also what TensorFlow and other libraries "
        "log, from that level on. TF_CPP_MIN_LOG_LEVEL, if it is set, decides for TensorFlow's "
        "own core.",
        flag_values=flag_values,
        module_name=OTHER,
    )
    return flag_values


def parse_config(
    config_class: type[Config], flag_values: flags.FlagValues, argv: Sequence[str]
) -> Config:
    """Makes the config from `argv`, whose first item is the program's name.

    Raises:
        flags.Error: as `parse_flags`.
        InputError: likewise, for an argument that is no flag and not wanted, for a flag that stands
            before `--` but belongs after it, and for values that `config_class` refuses.
    """
    rest = _rest_of(config_class)
    takes_dashes = rest is not None and rest.metadata["after_dashes"]
    dashes = argv.index("--") if takes_dashes and "--" in argv else len(argv)
    try:
        positional = parse_flags(flag_values, argv[:dashes])
    except flags.UnrecognizedFlagError as error:
        if rest is None or not takes_dashes:
            raise
        raise InputError(f"{error}; {rest.metadata['arguments']} stand after --.") from error
    if positional and (rest is None or takes_dashes):
        raise InputError(
            f"received the argument {positional[0]!r}, expected flags only; write --name=value."
        )
    values = {name: flag_values[name].value for name in flag_values if name != _VERBOSITY}
    # absl gives a list for a tuple's flag; a frozen config holds no lists.
    frozen = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    if rest is not None:
        frozen[rest.name] = tuple(argv[dashes + 1 :]) if takes_dashes else positional
    return config_class(**frozen)


def parse_flags(flag_values: flags.FlagValues, argv: Sequence[str]) -> tuple[str, ...]:
    """Sets the flags that `argv`, which begins with the program's name, gives; returns the rest.

    Raises:
        flags.Error: for an unknown flag, or one without its value.
        InputError: for a value of the wrong type, and for a --flagfile that is no text.
    """
    try:
        return tuple(flag_values(argv)[1:])
    except flags.IllegalFlagValueError as error:
        # absl shows Python's own words: "flag --epochs=x: invalid literal for int() with base 10".
        received = str(error).removeprefix("flag ").removesuffix(f": {error.__context__}")
        name = received[2:].partition("=")[0]
        if name not in flag_values:  # "--flagfile with no argument"
            raise
        raise InputError(
            f"received {received}, expected {values_of(flag_values[name])}."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"received a --flagfile that is no text ({error.reason}), expected a flag a line; see "
            "to the file."
        ) from error
    except ValueError as error:
        received, lacks, _ = str(error).partition(" does not take an argument")  # "--noFLAG=VALUE"
        if not lacks:
            raise
        raise InputError(f"received {received}, expected it without a value.") from error


def values_of(flag: flags.Flag) -> str:
    """What a flag takes, in words: 'a whole number', 'one of fail, skip'."""
    if isinstance(flag, flags.EnumFlag):
        return f"one of {', '.join(flag.parser.enum_values)}"
    return _KINDS.get(flag.flag_type(), _ANY_TEXT)[1]


def as_flag(name: str, value: Any) -> str:
    """A flag as one gives it: '--epochs=3', '--nopictures', '--classes=a,b'."""
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={','.join(map(str, value)) if isinstance(value, tuple | list) else value}"


# What `--help` says.


def help_text(command: str, purpose: str, config_class: type, short: bool = False) -> str:
    """The text of `--help`, as wide as the terminal.

    Args:
        command: How the command is called.
        purpose: The head of the text. Paragraphs are wrapped; indented ones stay as they are.
        short: Whether flags are only named, as for `--helpshort`.
    """
    parts = [*map(_wrapped, purpose.strip().split("\n\n"))]
    parts.append(f"usage: {command} [--flag=value ...]")
    if rest := _rest_of(config_class):
        named = rest.metadata["arguments"]
        if rest.metadata["after_dashes"]:
            named = f"-- {named}"
        parts[-1] += f" {named}"
        if not short:
            parts.append(f"{named}:\n{_indented(rest.metadata['help'])}")
    groups = dict(define_flags(config_class).flags_by_module_dict())  # as `option` names them
    other = groups.pop(OTHER, [])
    for group, group_flags in groups.items():
        if short:
            parts.append(f"{group}:\n{_indented(' '.join(map(_head, group_flags)), '  ')}")
        else:
            parts.append("\n".join([f"{group}:", *map(_flag_help, group_flags)]))
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
    return f"--{flag.name}={_KINDS.get(flag.flag_type(), _ANY_TEXT)[0]}{again}"


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
