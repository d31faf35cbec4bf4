"""While workers train together: the failure of one ends all, and every one says whose it was.

TensorFlow raises an error when a worker is lost, but only where the main thread waits for that
worker's share of a sum, after ten seconds if its machine has gone, and not always with its name. So
the connections that the rendezvous made are kept, and a thread watches them: the chief's to all
others, who learn from it.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from pipelines.runtime import console
from pipelines.runtime.command import EXIT_FAILED, command_name
from pipelines.runtime.errors import InputError
from trainer.workers.cluster import Cluster
from trainer.workers.connection import Connection
from trainer.workers.guard import guarded
from trainer.workers.loss import loss_by, loss_of, lost_worker, may_tell_of_loss
from trainer.workers.rendezvous import meet

_SECONDS_OF_A_BEAT = 2  # each worker says as often that it is alive
_SECONDS_OF_SILENCE = 60  # after which it is given up, as when its machine has lost the network
_SECONDS_OF_A_HALT = 5  # after which this process seems to have been stopped itself
_SECONDS_TO_START = 60  # for TensorFlow's servers to find each other
_SECONDS_TO_LEAVE = 3  # for the main thread, before the process is ended from the watching thread
_SECONDS_FOR_A_REASON = 5  # to come after TensorFlow's error
_SECONDS_TO_FINISH = 30  # for `before_exit`

_START, _END = "start", "end"  # where all wait for all


@contextlib.contextmanager
def joined(
    cluster: Cluster,
    *,
    timeout: float,
    must_agree: Mapping[str, str],
    before_exit: Callable[[], None] = lambda: None,
) -> "Iterator[Peers]":
    """Trains together with the other workers: they all enter, and they all leave.

    Enter it before the strategy is made. A normal end waits for the others'. An exception in one
    worker, a signal or its sudden death end the block in all others with an `InputError` that names
    it; where the main thread does not come out of what it is at within seconds, the process ends
    with that one line and status 1. A worker by itself meets nobody.

    Args:
        cluster: Who the workers are.
        timeout: How long they wait for each other, in seconds.
        must_agree: By name, what must be the same on all workers, such as flags and data.
        before_exit: Called from another thread before the process is ended in that way; returns
            when what must not be broken off is done. It gets half a minute.

    Raises:
        InputError: if the workers do not find each other, do not agree, or another one fails.
    """
    connections = meet(cluster, timeout, must_agree) if cluster.count > 1 else {}
    peers = Peers(cluster, connections, before_exit)
    try:
        yield peers
        peers.wait_for_all(_END)
    except BaseException as error:
        peers.fail(error)
        raise
    finally:
        peers.close()


class Peers:
    """The connections to the other workers, and what has been heard from them; see `joined`."""

    def __init__(
        self, cluster: Cluster, connections: dict[int, Connection], before_exit: Callable[[], None]
    ) -> None:
        self._cluster, self._connections, self._before_exit = cluster, connections, before_exit
        self._heard = dict.fromkeys(connections, time.monotonic())
        self._changed = threading.Condition()  # goes with all that follows
        self._waiting: dict[str, set[int]] = {_START: set(), _END: set()}  # for the chief: who
        self._passed: set[str] = set()
        self._verdict: str | None = None  # why the run has failed, if another worker is the cause
        self._leaving = False  # the main thread has come out of the block
        self._closed = False
        if connections:
            threading.Thread(target=self._watch, name="peers", daemon=True).start()

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Goes around the making of the strategy, which all workers do at the same time.

        Raises:
            InputError: if another worker fails before that.
        """
        if self._cluster.count == 1:
            yield
            return
        self.wait_for_all(_START)
        message = (
            f"received no word from the TensorFlow of some worker in {_SECONDS_TO_START} s, though "
            "all were there, expected all to start; see what each said last, and start them again."
        )
        with guarded(_SECONDS_TO_START, f"{command_name()}: {message}"):
            yield

    def wait_for_all(self, point: str) -> None:
        """Waits until all workers are there.

        Raises:
            InputError: if one fails before that.
        """
        self._arrive(self._cluster.index, point)
        if not self._cluster.is_chief:
            self._tell_all(at=point)
        with self._changed:
            # In short waits, since a signal may reach another thread.
            while point not in self._passed and self._verdict is None:
                self._changed.wait(0.5)
            if self._verdict is not None:
                raise InputError(self._verdict)

    def fail(self, error: BaseException) -> None:
        """Tells the others that this worker fails, unless another one is the cause.

        Raises:
            InputError: in that case, saying whose end it was.
        """
        lost = may_tell_of_loss(error) and self._cluster.count > 1
        with self._changed:
            self._leaving = True
            self._changed.notify_all()
            if lost:  # and the reason, or at least the name, may be on its way
                self._changed.wait_for(lambda: self._verdict, _SECONDS_FOR_A_REASON)
            verdict = self._verdict
        if verdict is None:
            culprit = lost_worker(error, self._cluster.index) if lost else None
            if culprit is not None and culprit < self._cluster.count:
                how = "TensorFlow lost its connection to it"
                verdict = loss_of(self._cluster, culprit, how)
            self._tell_all(failed=verdict or loss_by(self._cluster, error))
        if verdict is not None and lost:
            raise InputError(verdict) from error

    def close(self) -> None:
        """Ends the watch and hangs up."""
        with self._changed:
            self._leaving = self._closed = True
            self._changed.notify_all()
        for connection in [*self._connections.values()]:
            connection.close()

    def _watch(self) -> None:
        # They are to end what the main thread waits for.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        looked = beat = time.monotonic()
        while not (self._closed or _END in self._passed or self._verdict):
            try:
                ready, _, _ = select.select([*self._connections.values()], [], [], 0.5)
            except (OSError, ValueError):
                return  # closed just now
            now = time.monotonic()
            for index, connection in [*self._connections.items()]:
                # Nobody else is to blame for silence while this process did not listen.
                if connection in ready or now - looked > _SECONDS_OF_A_HALT:
                    self._heard[index] = now
                if connection in ready:
                    self._hear(index, connection)
                elif now - self._heard[index] > _SECONDS_OF_SILENCE:
                    how = f"no sign of life for {_SECONDS_OF_SILENCE} s"
                    self._fail_all(loss_of(self._cluster, index, how))
            looked = now
            if now - beat > _SECONDS_OF_A_BEAT:
                beat = now
                self._tell_all(beat=True)
        if self._verdict:
            self._end_process()

    def _hear(self, index: int, connection: Connection) -> None:
        messages = connection.receive()
        is_done = index in self._waiting[_END]  # and so nothing is missing without it
        if messages is None:
            del self._connections[index]
            connection.close()
            if not is_done:
                self._fail_all(loss_of(self._cluster, index, "it ended or was killed"))
        for message in messages or []:
            if "failed" in message and not is_done:
                self._fail_all(message["failed"])
            elif "at" in message:
                self._arrive(index, message["at"])
            elif "past" in message:
                self._pass(message["past"])

    def _arrive(self, index: int, point: str) -> None:
        """The chief lets all go on when all are there; the others wait for its word."""
        with self._changed:
            self._waiting[point].add(index)
            all_there = len(self._waiting[point]) == self._cluster.count
        if all_there:
            self._tell_all(past=point)
            self._pass(point)

    def _pass(self, point: str) -> None:
        with self._changed:
            self._passed.add(point)
            self._changed.notify_all()

    def _fail_all(self, verdict: str) -> None:
        with self._changed:
            if self._verdict or self._closed or _END in self._passed:
                return
        self._tell_all(failed=verdict)  # first, since the main thread hangs up when it knows
        with self._changed:
            self._verdict = verdict
            self._changed.notify_all()

    def _tell_all(self, **message: object) -> None:
        for connection in [*self._connections.values()]:
            connection.send(**message)

    def _end_process(self) -> None:
        """Ends the process unless the main thread leaves by itself, with the same line."""
        with self._changed:  # held to the end, so that there is one line
            if self._changed.wait_for(lambda: self._leaving, _SECONDS_TO_LEAVE):
                return
            finishing = threading.Thread(target=self._before_exit, daemon=True)
            finishing.start()
            finishing.join(_SECONDS_TO_FINISH)
            with contextlib.suppress(OSError, ValueError):  # as when nobody reads it any more
                console.tell_failure(command_name(), self._verdict or "")
                sys.stdout.flush()
            os._exit(EXIT_FAILED)
