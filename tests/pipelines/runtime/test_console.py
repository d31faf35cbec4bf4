"""What a command says: colours, bars or lines, verbosity, and widths, on terminals of any kind."""

import fcntl
import io
import os
import select
import struct
import sys
import termios

import pytest

from pipelines.runtime import console
from pipelines.runtime.console import progress


class FakeTerminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_start(monkeypatch):
    monkeypatch.setattr(console, "verbosity", console.DEFAULT_VERBOSITY)
    monkeypatch.setattr(console, "paths_as_typed", {})
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def on_terminal(monkeypatch):
    """Puts stderr on a terminal of some size; returns a function that reads what came there."""
    opened = []

    def open_terminal(rows, columns):
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        stream = os.fdopen(theirs, "w")
        opened.append((ours, stream))
        monkeypatch.setattr(sys, "stderr", stream)

        def read():
            text = b""
            while select.select([ours], [], [], 0.2)[0]:
                text += os.read(ours, 1 << 16)
            return text.decode().replace("\r\n", "\n")

        return read

    yield open_terminal
    for ours, stream in opened:
        stream.close()
        os.close(ours)


def said(stream):
    console.warn("it is late.")
    console.tell_failure("greet", "received x.")
    return stream.getvalue()


def test_colours_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", FakeTerminal())
    yellow, red, end = "\x1b[33m", "\x1b[1;31m", "\x1b[0m"
    lines = f"{yellow}warning{end}: it is late.\n{red}greet:{end} received x.\n"
    assert said(sys.stderr) == lines


@pytest.mark.parametrize(
    ("stream", "variables"),
    [
        (io.StringIO, {}),
        (FakeTerminal, {"NO_COLOR": "1"}),
        (FakeTerminal, {"TERM": "dumb"}),
    ],
)
def test_no_colours(monkeypatch, stream, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", stream())
    assert said(sys.stderr) == "warning: it is late.\ngreet: received x.\n"


def test_an_empty_no_color_does_not_count(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setattr(sys, "stderr", FakeTerminal())
    assert "\x1b[33m" in said(sys.stderr)


def test_only_results_and_failures_with_error(capsys):
    console.verbosity = "error"
    console.warn("it is late.")
    console.say("epoch 1")
    console.note("waiting")
    console.tell("the result")
    console.tell_failure("greet", "received x.")
    output = capsys.readouterr()
    assert (output.out, output.err) == ("the result\n", "greet: received x.\n")


def test_paths_are_named_as_they_were_typed(capsys):
    console.paths_as_typed = {"/elsewhere/runs": "~/runs"}
    console.tell("model /elsewhere/runs/model.keras")
    console.warn("skipped /elsewhere/runs/step-1.npz.")
    output = capsys.readouterr()
    assert output.out == "model ~/runs/model.keras\n"
    assert output.err == "warning: skipped ~/runs/step-1.npz.\n"


def seconds_that_pass(monkeypatch):
    times = iter(range(0, 1000, 20))
    monkeypatch.setattr("pipelines.runtime.console.time.monotonic", lambda: next(times))


def test_a_bar_on_a_terminal(on_terminal, monkeypatch):
    seconds_that_pass(monkeypatch)
    read = on_terminal(24, 80)
    assert list(progress(range(3), 3, "Counting")) == [0, 1, 2]
    assert "Counting:  33%|" in read()


@pytest.mark.parametrize("size", [(0, 0), (0, 80), (24, 0)])
def test_lines_on_a_terminal_of_unknown_size(on_terminal, monkeypatch, size):
    seconds_that_pass(monkeypatch)
    read = on_terminal(*size)
    list(progress(range(2), 2, "Counting"))
    assert read() == "Counting: 1 of 2, 0.1/s\nCounting: 2 of 2, 0.1/s\n"


def test_neither_with_error(on_terminal, monkeypatch):
    seconds_that_pass(monkeypatch)
    console.verbosity = "error"
    read = on_terminal(24, 80)
    list(progress(range(2), 2, "Counting"))
    print("the end", file=sys.stderr, flush=True)
    assert read() == "the end\n"


@pytest.mark.parametrize(
    ("columns", "width"), [("", 80), ("72", 72), ("10", 40), ("500", 100), ("0", 80), ("x", 80)]
)
def test_the_width_of_help(monkeypatch, columns, width):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setenv("COLUMNS", columns)
    assert console.help_width() == width
