"""Flags from a config, one-line errors and exit statuses, some of them in real processes."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from absl import flags

from pipelines.runtime.command import (
    arguments,
    define_flags,
    help_text,
    option,
    parse_config,
    repeated,
)
from pipelines.runtime.errors import InputError


@dataclasses.dataclass(frozen=True)
class GreetConfig:
    name: str = option("world", "Whom to greet.", group="Greeting")
    count: int | None = option(None, "How often.", group="Greeting")
    volume: float = option(1.0, "How loud.", group="Voice")
    shout: bool = option(False, "In capitals.", group="Voice")
    tone: str = option("kind", "Which tone.", group="Voice", choices=("kind", "cold"))
    words: tuple[str, ...] = option((), "What to say.", group="Voice")

    def __post_init__(self):
        if self.volume < 0:
            raise InputError(f"received --volume={self.volume}, expected at least 0.")


def parse(*arguments):
    return parse_config(GreetConfig, define_flags(GreetConfig), ["greet", *arguments])


def test_defaults_are_those_of_the_config():
    assert parse() == GreetConfig()


def test_every_type_of_flag():
    config = parse("--name=Ada", "--count=3", "--volume=1e-1", "--shout", "--words=a,b")
    assert config == GreetConfig("Ada", 3, 0.1, True, "kind", ("a", "b"))
    assert parse("--noshout").shout is False


def test_flagfile(tmp_path):
    (tmp_path / "recipe.flags").write_text("# a comment\n--count=4\n--tone=cold\n")
    config = parse(f"--flagfile={tmp_path / 'recipe.flags'}", "--count=5")
    assert (config.count, config.tone) == (5, "cold")


def test_a_flagfile_that_is_no_text_is_refused_in_one_line(tmp_path):
    (tmp_path / "image.jpg").write_bytes(b"\xff\xd8\xff\xe0 and more")
    result = subprocess.run(
        [sys.executable, "-m", "pipelines.verify", f"--flagfile={tmp_path / 'image.jpg'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "received a --flagfile that is no text" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ("--volme=2", flags.Error, "Unknown command line flag 'volme'. Did you mean: volume"),
        ("--count=few", InputError, "received --count=few, expected a whole number."),
        ("--count=1: 2", InputError, "received --count=1: 2, expected a whole number."),
        ("--volume=loud", InputError, "received --volume=loud, expected a number."),
        ("--tone=warm", InputError, "received --tone=warm, expected one of kind, cold."),
        ("--shout=maybe", InputError, "received --shout=maybe, expected true or false."),
        (
            '--words="a,b',
            InputError,
            'received --words="a,b, expected A,B,... in which every quote',
        ),
        ("--flagfile", flags.Error, "--flagfile with no argument"),
        ("--noshout=1", InputError, "received --noshout=1, expected it without a value."),
        ("--volume=-1", InputError, "received --volume=-1.0, expected at least 0"),
        ("loud", InputError, "received the argument 'loud', expected flags only"),
        ("--flagfile=/nowhere.flags", flags.Error, "/nowhere.flags"),
    ],
)
def test_wrong_usage(argument, error, message):
    with pytest.raises(error) as caught:
        parse(argument)
    assert message in str(caught.value)


@dataclasses.dataclass(frozen=True)
class RelayConfig(GreetConfig):
    rest: tuple[str, ...] = arguments("FLAGS OF greet", "They are handed on.", after_dashes=True)


@pytest.mark.parametrize(
    ("arguments", "count", "rest"),
    [
        ([], None, ()),
        (["--count=2"], 2, ()),
        (["--"], None, ()),
        (
            ["--count=2", "--", "--count=3", "loud", "--", "-x"],
            2,
            ("--count=3", "loud", "--", "-x"),
        ),
    ],
)
def test_what_stands_after_dashes_is_taken_as_it_is(arguments, count, rest):
    config = parse_config(RelayConfig, define_flags(RelayConfig), ["relay", *arguments])
    assert (config.count, config.rest) == (count, rest)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["loud", "--", "--count=3"], "received the argument 'loud', expected flags only"),
        (["--volme=2"], "'volme'. Did you mean: volume ?; FLAGS OF greet stand after --."),
    ],
)
def test_what_stands_before_dashes_is_checked(arguments, message):
    with pytest.raises(InputError) as caught:
        parse_config(RelayConfig, define_flags(RelayConfig), ["relay", *arguments])
    assert message in str(caught.value)


def test_a_command_without_use_for_it_takes_nothing_after_dashes():
    with pytest.raises(InputError, match="received the argument '--count=3', expected flags only"):
        parse("--", "--count=3")


def test_help_says_what_stands_after_dashes():
    text = help_text("relay", "Hands on.", RelayConfig)
    assert "usage: relay [--flag=value ...] -- FLAGS OF greet\n" in text
    assert "[--flag=value ...] -- FLAGS OF greet\n" in text
    assert "\n-- FLAGS OF greet:\n      They are handed on." in text


@dataclasses.dataclass(frozen=True)
class ShowConfig:
    large: bool = option(False, "In large letters.", group="Look")
    tag: tuple[str, ...] = repeated("What is added.", group="Look")
    files: tuple[str, ...] = arguments("FILE...", "What is shown.")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ShowConfig()),
        (["a", "--large", "b"], ShowConfig(True, (), ("a", "b"))),
        (["--tag=x,y", "a", "--tag", "z"], ShowConfig(False, ("x,y", "z"), ("a",))),
        (["--", "--large"], ShowConfig(files=("--large",))),
    ],
)
def test_arguments_and_flags_that_are_repeated(given, expected):
    assert parse_config(ShowConfig, define_flags(ShowConfig), ["show", *given]) == expected


def test_help_says_what_the_arguments_are():
    text = help_text("show", "Shows.", ShowConfig)
    assert "usage: show [--flag=value ...] FILE...\n\nFILE...:\n      What is shown." in text
    assert "--tag=VALUE (may be repeated)\n      What is added.\n" in text + "\n"


COMMAND = textwrap.dedent('''
    """Greets."""
    import dataclasses, os, sys, time
    from pipelines.runtime.command import option, run
    from pipelines.runtime.errors import InputError

    @dataclasses.dataclass(frozen=True)
    class Config:
        act: str = option("print", "What to do.", group="Acting")

    def main(config):
        if config.act == "print":
            print("done")
        elif config.act == "lines":
            for _ in range(100000):
                print("a line")
        elif config.act == "refuse":
            raise InputError("received x,\\n expected y; do z.")
        elif config.act.startswith("~"):
            raise InputError(f"received {os.path.expanduser(config.act)}/x, expected y; do z.")
        elif config.act == "break":
            raise RuntimeError("a bug")
        else:
            print("ready", flush=True)
            time.sleep(60)

    run(main, Config)
''')


@pytest.fixture
def command(tmp_path, monkeypatch):
    (tmp_path / "greet.py").write_text(COMMAND)
    root = Path(__file__).parents[3]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), str(tmp_path)]))
    return [sys.executable, "-m", "greet"]


@pytest.mark.parametrize(
    ("arguments", "status", "stdout", "stderr"),
    [
        ([], 0, "done", ""),
        (["--act=refuse"], 1, "", "python -m greet: received x, expected y; do z.\n"),
        (["--act=~/a", "--verbosity=error"], 1, "", "python -m greet: received ~/a/x, expected y;"),
        (
            ["--verbosity=loud"],
            2,
            "",
            "python -m greet: received --verbosity=loud, expected one of",
        ),
        (["--atc=x"], 2, "", "python -m greet: Unknown command line flag 'atc'"),
        (["--act=break"], 1, "", "Traceback"),
    ],
)
def test_exit_status_and_message(command, arguments, status, stdout, stderr):
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == status
    assert result.stdout.strip() == stdout
    assert result.stderr.startswith(stderr)
    assert stderr == "Traceback" or result.stderr.count("\n") == bool(stderr)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_groups_and_defaults(command, flag):
    result = subprocess.run([*command, flag], capture_output=True, text=True, check=False)
    assert result.returncode == 0
    for part in ("Greets.", "usage: python -m greet", "Acting:", "--act=VALUE", "(default: print)"):
        assert part in result.stdout


def test_short_help(command):
    result = subprocess.run([*command, "--helpshort"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "Acting:\n  --act=VALUE\n" in result.stdout and "What to do." not in result.stdout


def test_another_keras_backend_is_refused(command, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "received KERAS_BACKEND='jax', expected 'tensorflow'" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("signal_number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(command, signal_number, status):
    process = subprocess.Popen(
        [*command, "--act=wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell ignores SIGINT, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    process.stdout.readline()
    process.send_signal(signal_number)
    _, stderr = process.communicate()
    assert process.returncode == status
    assert stderr.count("\n") == 1


def test_a_closed_pipe_prints_no_traceback(command):
    process = subprocess.Popen(
        [*command, "--act=lines"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 1


def test_help_into_a_pipe_that_nobody_reads_is_quiet():
    command = [sys.executable, "-m", "trainer.main", "--help"]
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0
