"""How long the workers that are there wait for those that are not."""

import time

from pipelines.runtime import console
from pipelines.runtime.errors import InputError
from trainer.workers.cluster import Cluster

# Waits are short, since a signal that reaches one of TensorFlow's threads does not end them.
SECONDS_OF_A_WAIT = 0.5
_SECONDS_BEFORE_A_NOTE = 5


class Patience:
    """How long it still goes on, and a note on who is waited for when it gets long."""

    def __init__(self, cluster: Cluster, timeout: float) -> None:
        self._cluster, self._timeout = cluster, timeout
        self._start = time.monotonic()
        self._noted = False

    def check(self, missing: list[int], reason: str = "") -> None:
        """Raises an `InputError` if time is up."""
        waited = time.monotonic() - self._start
        names = ", ".join(map(self._cluster.name, missing))
        if waited > self._timeout:
            raise InputError(
                f"received no word from {names} in {self._timeout:g} s{reason and f' ({reason})'}, "
                f"expected all {self._cluster.count} workers to start; start all of them, or give "
                "them more time with --worker_timeout."
            )
        if waited > _SECONDS_BEFORE_A_NOTE and not self._noted:
            self._noted = True
            console.say(f"waiting   for {names}")
