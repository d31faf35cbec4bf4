"""Several processes on this machine that stand and fall together: one output and one end."""

import contextlib
import dataclasses
import functools
import queue
import signal
import time
from collections.abc import Iterator, Mapping, Sequence

from pipelines.runtime.errors import InputError
from trainer.prefixed_output import PrefixedOutput
from trainer.worker_process import STDERR, WorkerProcess, told

# How long a wait is at most. A longer one could miss a signal, which may come to another thread.
_TICK_SECONDS = 0.2
# One Ctrl-C can arrive twice: from the terminal, and from a program that started this one.
_ONE_CTRL_C_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class _Ended:
    worker: int
    status: int


# What happens to a group. All but a worker's end with status 0 is a cause to stop the others.
_Event = _Ended | signal.Signals | OSError
_Events = queue.SimpleQueue[_Event]


def run_workers(
    command: Sequence[str], environments: Sequence[Mapping[str, str]], grace_seconds: float
) -> None:
    """Runs a command once for each environment, and returns when all have ended with status 0.

    What they print is passed on, each line with its worker's number. SIGINT and SIGTERM are passed
    on, once; a second SIGINT kills. When one worker fails, the others get SIGTERM. What has not
    ended after the grace period is killed. To be called in the main thread.

    Args:
        command: A program and its arguments.
        environments: That of each worker.
        grace_seconds: From a signal to the workers to SIGKILL.

    Raises:
        InputError: if one cannot be started, or fails, or if what they print cannot be written.
        BrokenPipeError: if what they print goes into a pipe that nobody reads any more.
        KeyboardInterrupt: after SIGINT, or what else its handler raises; likewise for SIGTERM.
    """
    events: _Events = queue.SimpleQueue()
    output = PrefixedOutput(on_lost=events.put)
    workers: dict[int, WorkerProcess] = {}
    try:
        with _signals_put_into(events):
            # All before the first thread: a process that has some is not safely forked.
            for index, environment in enumerate(environments):
                workers[index] = WorkerProcess(index, command, environment)
            for index, worker in workers.items():
                worker.follow(output, functools.partial(_put_end, events, index))
            cause = _Watch(workers, output, grace_seconds).until_all_have_ended(events)
    finally:
        for worker in workers.values():
            worker.kill()
    output.join()
    _end_as(cause, len(workers))


class _Watch:
    """Waits for workers, and stops them when there is a cause."""

    def __init__(
        self, workers: Mapping[int, WorkerProcess], output: PrefixedOutput, grace_seconds: float
    ):
        self._alive = dict(workers)
        self._output = output
        self._grace_seconds = grace_seconds
        self._cause: _Event | None = None
        self._killed = False

    def until_all_have_ended(self, events: _Events) -> _Event | None:
        """Gives the first cause for which they were stopped, if there was one."""
        while self._alive:
            event = _next(events)
            if isinstance(event, _Ended):
                del self._alive[event.worker]
            if self._cause is None:
                if event is not None and not (isinstance(event, _Ended) and event.status == 0):
                    self._stop(event)
            elif not self._killed:
                self._kill_if_due(event)
        return self._cause

    def _stop(self, cause: _Event) -> None:
        self._cause, self._since = cause, time.monotonic()
        number = cause if isinstance(cause, signal.Signals) else signal.SIGTERM
        for worker in self._alive.values():
            worker.send(number)
        if self._alive and not isinstance(cause, OSError):
            why = f"{_told(cause)}: " if isinstance(cause, _Ended) else ""
            self._say(
                f"{why}{number.name} sent to {self._names()}; {self._grace_seconds:g} s to end, "
                "Ctrl-C kills at once."
            )

    def _kill_if_due(self, event: _Event | None) -> None:
        seconds = time.monotonic() - self._since
        at_once = event == signal.SIGINT and seconds > _ONE_CTRL_C_SECONDS
        if not self._alive or not (at_once or seconds >= self._grace_seconds):
            return
        self._killed = True
        when = "at Ctrl-C" if at_once else f"after {self._grace_seconds:g} s"
        self._say(f"killed {when}: {self._names()}.")
        for worker in self._alive.values():
            worker.kill()

    def _names(self) -> str:
        return ", ".join(worker.name for worker in self._alive.values())

    def _say(self, line: str) -> None:
        self._output.say(f"[launch] {line}", STDERR)


def _told(end: _Ended) -> str:
    return f"worker {end.worker} {told(end.status)}"


def _put_end(events: _Events, worker: int, status: int) -> None:
    events.put(_Ended(worker, status))


def _next(events: _Events) -> _Event | None:
    try:
        return events.get(timeout=_TICK_SECONDS)
    except queue.Empty:
        return None


@contextlib.contextmanager
def _signals_put_into(events: _Events) -> Iterator[None]:
    def put(number: int, frame: object) -> None:
        events.put(signal.Signals(number))

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # What is ignored stays so, as Ctrl-C in the background of a shell without job control.
    handled = {number: old for number, old in before.items() if old != signal.SIG_IGN}
    for number in handled:
        signal.signal(number, put)
    try:
        yield
    finally:
        for number, old in handled.items():
            signal.signal(number, old)


def _end_as(cause: _Event | None, num_workers: int) -> None:
    if isinstance(cause, signal.Signals):
        signal.raise_signal(cause)  # to the handler that was there before
    elif isinstance(cause, BrokenPipeError):
        raise cause
    elif isinstance(cause, OSError):
        raise InputError(
            f"received an error when the output was written ({cause.strerror}), expected room for "
            "what the workers print; they were stopped."
        ) from cause
    elif cause is not None:
        why = "; its lines above say why" if cause.status > 0 else ""
        others = "; the others were stopped" if num_workers > 1 else ""
        raise InputError(f"{_told(cause)}, expected status 0{why}{others}.")
