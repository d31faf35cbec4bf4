"""Which ports of this machine can be listened at."""

import contextlib
import socket
from collections.abc import Sequence

from pipelines.runtime.errors import InputError


def check_ports(ports: Sequence[int]) -> None:
    """Checks that somebody can listen at each of the ports, on all interfaces.

    Args:
        ports: Those that follow from a command's flag --port, which is the first.

    Raises:
        InputError: if one cannot be had.
    """
    for port in ports:
        with socket.socket() as free:
            # Connections of a server that has ended do not keep its port.
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                free.bind(("", port))
            except OSError as error:
                raise InputError(
                    f"received --port={ports[0]} for {len(ports)} ports, but {port} cannot be had "
                    f"({error.strerror or error}), expected free ones; choose another --port, or 0."
                ) from error


def free_ports(count: int) -> list[int]:
    """Ports, each another, at which nobody listens; until one does, another program may take it."""
    with contextlib.ExitStack() as stack:
        # All are held until the last is found, or the same might be found twice.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("", 0))
        return [free.getsockname()[1] for free in sockets]
