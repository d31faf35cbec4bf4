"""One worker of several on this machine: its process, from its start to its end."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

from pipelines.runtime.errors import InputError
from trainer.parent_death import killed_with_parent
from trainer.prefixed_output import PrefixedOutput

STDOUT, STDERR = 1, 2


class WorkerProcess:
    """A process with a session of its own, so that it gets signals only from here.

    It is killed when the main thread ends, which must be the one that makes it.

    Args:
        index: Its number among the workers.
        command: A program and its arguments.
        environment: All that it finds in its environment.

    Raises:
        InputError: if it cannot be started.
    """

    def __init__(self, index: int, command: Sequence[str], environment: Mapping[str, str]):
        self.name = f"worker {index}"
        try:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=killed_with_parent(),
            )
        except OSError as error:
            raise InputError(
                f"received an error at the start of {self.name} ({error.strerror}), expected room "
                "for one more process; use fewer --workers."
            ) from error

    def follow(self, output: PrefixedOutput, on_end: Callable[[int], None]) -> None:
        """Starts threads: its lines go to `output`, and its status to `on_end` when it has ended.

        The status is as `subprocess` gives it, -N for signal N.
        """
        for pipe, descriptor in ((self._process.stdout, STDOUT), (self._process.stderr, STDERR)):
            if pipe is not None:
                output.pass_on(pipe, f"[{self.name}] ", descriptor)

        def wait() -> None:
            status = self._process.wait()
            self._kill_group()  # what it has left behind, which may hold its pipes
            on_end(status)

        threading.Thread(target=wait, daemon=True).start()

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal, if it has not ended."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kills it and all that it has started, if it has not ended."""
        if self._process.poll() is None:
            self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def told(status: int) -> str:
    """How a process ended that failed, to be read after its name."""
    if status == -signal.SIGKILL:
        return "was killed by SIGKILL, as when memory runs out"
    if status < 0:
        return f"was killed by {_signal_name(-status)}"
    by = f" ({_signal_name(status - 128)})" if status > 128 else ""
    return f"ended with status {status}{by}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
