"""The chief's side of the rendezvous: it receives the others and sees who is there."""

import contextlib
import select
import socket
import time
from typing import Any

from pipelines.runtime.errors import InputError
from trainer.workers.cluster import Cluster
from trainer.workers.connection import Connection
from trainer.workers.patience import SECONDS_OF_A_WAIT, Patience

# Changes whenever the messages do: workers of two versions must not train together.
PROTOCOL = "StridedNet workers, version 1"
_SECONDS_TO_INTRODUCE = 10  # for whoever connects; port scanners say nothing


class Gathering:
    """The chief's side of the rendezvous.

    Args:
        cluster: Who is to come.
        listener: Where they come to.
        hello: What the chief itself would say.
    """

    def __init__(self, cluster: Cluster, listener: socket.socket, hello: dict) -> None:
        listener.settimeout(1)  # for whoever has gone again before he is let in
        self._cluster, self._listener, self._hello = cluster, listener, hello
        self._strangers: dict[Connection, float] = {}  # and when they came
        self._guests: dict[int, Connection] = {}
        self._said: dict[int, dict] = {0: hello}

    def gather(self, patience: Patience) -> dict[int, Connection]:
        """Waits until all are there and agree, and tells them whether they are to go on.

        Raises:
            InputError: if they do not come in time, or do not agree; they are told, too.
        """
        try:
            while missing := self._missing():
                patience.check(missing)
                self._admit()
            self._check_agreement()
        except InputError as error:
            self._tell_all(refused=str(error))
            self._hang_up()
            raise
        except BaseException:
            self._hang_up()
            raise
        for stranger in self._strangers:
            stranger.close()
        self._tell_all(go=True)
        return self._guests

    def _missing(self) -> list[int]:
        return [i for i in range(1, self._cluster.count) if i not in self._guests]

    def _admit(self) -> None:
        """Waits a little for what happens, and sees to it."""
        now = time.monotonic()
        for stranger, came in list(self._strangers.items()):
            if now - came > _SECONDS_TO_INTRODUCE:
                del self._strangers[stranger]
                stranger.close()
        # Guests first: one that starts anew has gone before it comes again.
        watched: list[Any] = [*self._guests.values(), *self._strangers, self._listener]
        for one in select.select(watched, [], [], SECONDS_OF_A_WAIT)[0]:
            if one is self._listener:
                with contextlib.suppress(OSError):
                    self._strangers[Connection(self._listener.accept()[0])] = now
            elif one in self._strangers:
                self._introduce(one)
            else:
                self._hear(one)

    def _introduce(self, stranger: Connection) -> None:
        messages = stranger.receive()
        if messages == []:
            return  # a part of a message
        del self._strangers[stranger]
        hello = messages[0] if messages else {}
        refused = self._why_refused(hello)
        if refused is None:
            self._guests[hello["index"]], self._said[hello["index"]] = stranger, hello
            self._tell_all(missing=self._missing())
            return
        if refused:
            stranger.send(refused=refused)
        stranger.close()

    def _why_refused(self, hello: dict) -> str | None:
        """None: one of ours. Nothing is said to those that do not speak our language."""
        index = hello.get("index")
        version = hello.get("hello")
        if not isinstance(version, str) or not isinstance(index, int):
            return ""
        if version != PROTOCOL:
            return (
                f"received a worker of {version[:80]!r} where worker 0 has {PROTOCOL!r}, expected "
                "the same version of the trainer on all workers; install the same one everywhere."
            )
        if hello.get("addresses") != self._hello["addresses"]:
            return (
                f"received other workers' addresses than {self._cluster.name(0)} has "
                f"({', '.join(self._cluster.addresses)}), expected the same; give all workers the "
                "same cluster in TF_CONFIG, and each run addresses of its own."
            )
        if index in self._said or not 0 <= index < self._cluster.count:
            return (
                f"received a second worker {index}, expected each once; give every worker an index "
                "of its own, and end those of earlier runs."
            )
        return None

    def _hear(self, guest: Connection) -> None:
        """Guests are silent until all are there: what there is to hear is that one has gone."""
        if guest.receive() is None:
            index = next(i for i, connection in self._guests.items() if connection is guest)
            guest.close()
            del self._guests[index], self._said[index]
            self._tell_all(missing=self._missing())

    def _check_agreement(self) -> None:
        ours = self._hello["must_agree"]
        for index, hello in sorted(self._said.items()):
            theirs = hello["must_agree"]
            for key in sorted({*ours, *theirs}):
                if ours.get(key) != theirs.get(key):
                    raise InputError(
                        f"received {key}={theirs.get(key)} from {self._cluster.name(index)} and "
                        f"{key}={ours.get(key)} from {self._cluster.name(0)}, expected the same "
                        "on all workers; start all with the same flags and data."
                    )

    def _tell_all(self, **message: object) -> None:
        for guest in self._guests.values():
            guest.send(**message)

    def _hang_up(self) -> None:
        for connection in (*self._strangers, *self._guests.values()):
            connection.close()
