"""A run of a study as a process of its own, from its start to its end.

A process each, and not one process for all: what a run leaves in memory ends with it, a run that
is killed takes no other one along, and it is the very command that a user would give, so that its
weights are those which that command gives, bit for bit.
"""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.runtime.command import as_flag
from pipelines.runtime.errors import InputError
from trainer.config import TrainConfig
from trainer.parent_death import killed_with_parent
from trainer.worker_process import told

TRAINER = (sys.executable, "-m", "trainer.main")

_TICK_SECONDS = 0.05
# One Ctrl-C can arrive twice: from the terminal, and from a program that started this one.
_ONE_CTRL_C_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a run's process ended.

    Attributes:
        status: As `subprocess` gives it, -N for signal N.
        signal_number: The signal that came to this process and was passed on; None for none.
        reason: Its last words, where it failed.
    """

    status: int
    signal_number: int | None
    reason: str


def trainer_flags(config: TrainConfig) -> list[str]:
    """The flags that make the trainer do what `config` says, those at their defaults left out."""
    return [
        as_flag(field.name, getattr(config, field.name))
        for field in dataclasses.fields(TrainConfig)
        if getattr(config, field.name) != field.default
    ]


def run_to_end(command: Sequence[str], log: Path) -> Ended:
    """Runs a command whose output goes to the end of a file, and passes signals on to it.

    SIGINT and SIGTERM are passed on, once; a second Ctrl-C kills. To be called in the main thread,
    with which the process ends, too.

    Args:
        command: A program and its arguments.
        log: Of what it prints; its directory is made.

    Raises:
        InputError: if the process cannot be started, or the file not be written.
    """
    with _signals_noted() as noted:
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                begin = output.tell()
                process = _start(command, output.fileno())
        except OSError as error:
            raise InputError(
                f"received an error at the start of a run ({error.strerror}: {log}), expected room "
                "for one more process, and for what it prints; free some, and start again."
            ) from error
        try:
            status = _watched(process, noted)
        finally:
            if process.poll() is None:
                _kill(process)
    number = noted[0][0] if noted else None
    # Who was killed had no last words.
    reason = told(status) if status < 0 else _last_words(log, begin) or told(status)
    return Ended(status, number, reason if status else "")


def _start(command: Sequence[str], output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,  # a terminal's Ctrl-C reaches it only from here
        preexec_fn=killed_with_parent(),
    )


def _watched(process: subprocess.Popen[bytes], noted: list[tuple[int, float]]) -> int:
    is_told = False
    # Short waits: a signal may come to another thread, and would not end a long one.
    while (status := process.poll()) is None:
        if noted and not is_told:
            process.send_signal(noted[0][0])
            is_told = True
        if any(_is_second_ctrl_c(noted[0], later) for later in noted[1:]):
            _kill(process)
        time.sleep(_TICK_SECONDS)
    return status


def _is_second_ctrl_c(first: tuple[int, float], later: tuple[int, float]) -> bool:
    return later[0] == signal.SIGINT and later[1] - first[1] > _ONE_CTRL_C_SECONDS


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def _signals_noted() -> Iterator[list[tuple[int, float]]]:
    """The numbers of the signals that have come, and when."""
    noted: list[tuple[int, float]] = []

    def note(number: int, frame: object) -> None:
        noted.append((number, time.monotonic()))

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # What is ignored stays so, as Ctrl-C in the background of a shell without job control.
    handled = {number: old for number, old in before.items() if old != signal.SIG_IGN}
    for number in handled:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, old in handled.items():
            signal.signal(number, old)


def _last_words(log: Path, begin: int) -> str:
    """The line by which a command says why it failed; else the last line of what it printed."""
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace").split("\n")
    head = f"python -m {TRAINER[-1]}: "
    said = [line.removeprefix(head) for line in lines if line.startswith(head)]
    printed = [line.strip() for line in lines if line.strip()]
    return (said or printed or [""])[-1]
