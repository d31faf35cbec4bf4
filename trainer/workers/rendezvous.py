"""All workers wait here for each other, before TensorFlow starts.

TensorFlow's own wait can neither be interrupted nor does it say who is missing. So the chief
listens at its address before TensorFlow's server does, and the others come there and say who they
are. When all are there the listening ends, and the connections that have been made stay: they are
no hindrance for a server that listens at the same address afterwards.
"""

import contextlib
import errno
import os
import select
import socket
import time
from collections.abc import Iterator, Mapping

from pipelines.runtime.errors import InputError
from trainer.workers.cluster import Cluster, host_and_port
from trainer.workers.connection import Connection
from trainer.workers.gathering import PROTOCOL, Gathering
from trainer.workers.patience import SECONDS_OF_A_WAIT, Patience

_SECONDS_TO_CONNECT = 2


def meet(cluster: Cluster, timeout: float, must_agree: Mapping[str, str]) -> dict[int, Connection]:
    """Waits until all workers are there and have been found to agree.

    Args:
        cluster: Who they are, at least two.
        timeout: For how long, in seconds.
        must_agree: By name, what must be the same on all workers.

    Returns:
        The chief's connections to all others, or another worker's to the chief, by worker index.

    Raises:
        InputError: if some do not come in time or do not agree, or this worker's port is in use.
    """
    patience = Patience(cluster, timeout)
    hello = {
        "hello": PROTOCOL,
        "addresses": list(cluster.addresses),
        "index": cluster.index,
        "must_agree": dict(must_agree),
    }
    # The others hold their ports, too, and so learn now whether they are free.
    with _listening(cluster) as listener:
        if cluster.is_chief:
            return Gathering(cluster, listener, hello).gather(patience)
        return {0: _visit(cluster, hello, patience)}


def _visit(cluster: Cluster, hello: dict, patience: Patience) -> Connection:
    """Goes to the chief until it lets this worker stay; it may come later, or start anew."""
    missing, reason = [0], ""
    while True:
        patience.check(missing, reason)
        missing = [0]
        try:
            connected = socket.create_connection(
                host_and_port(cluster.addresses[0]), _SECONDS_TO_CONNECT
            )
        except OSError as error:
            reason = error.strerror or str(error)
            time.sleep(SECONDS_OF_A_WAIT)
            continue
        connection = Connection(connected)
        try:
            # Where nobody listens, a system may connect a socket to itself.
            if connected.getsockname() != connected.getpeername():
                connection.send(**hello)
                if _stay(connection, patience):
                    return connection
            reason = "it hung up"
            time.sleep(SECONDS_OF_A_WAIT)
        except BaseException:
            connection.close()
            raise
        connection.close()


def _stay(connection: Connection, patience: Patience) -> bool:
    """Whether all have come while this worker was there; False if the chief has gone."""
    missing = [0]  # until the chief says who it is
    while True:
        patience.check(missing)
        if not select.select([connection], [], [], SECONDS_OF_A_WAIT)[0]:
            continue
        messages = connection.receive()
        if messages is None:
            return False
        for message in messages:
            if "refused" in message:
                raise InputError(message["refused"])
            if "go" in message:
                return True
            missing = message.get("missing") or missing


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[socket.socket]:
    """Listens at the worker's port, on all of this machine's addresses as TensorFlow will."""
    _, port = host_and_port(cluster.address)
    try:
        listener = _listen(port)
    except OSError as error:
        raise InputError(
            f"received {cluster.address} as the address of worker {cluster.index}, which is this "
            f"one, whose port {port} cannot be used ({os.strerror(error.errno or 0)}), expected a "
            "free one; end what listens there, such as a worker of an earlier run, or choose "
            "another port."
        ) from error
    with listener:
        yield listener


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise
    return socket.create_server(("", port))
