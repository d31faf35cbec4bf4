"""What this machine has for a command: threads, free memory, ports."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.runtime.errors import InputError

if TYPE_CHECKING:
    from concurrent.futures import Executor

# Limit and use of the group of processes that we are in, under Linux's cgroups 2 and 1.
_CGROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


@contextlib.contextmanager
def threads(count: int | None = None) -> Iterator["Executor"]:
    """Threads that, when the block ends, finish what they are at and begin nothing more.

    One a core, unless their number is given. Ctrl-C ends the block as anything else does.
    """
    from concurrent.futures import ThreadPoolExecutor

    started: list[threading.Thread] = []
    count = count or os.cpu_count()
    pool = ThreadPoolExecutor(count, initializer=lambda: started.append(threading.current_thread()))
    try:
        yield pool
    finally:
        try:
            pool.shutdown(cancel_futures=True)
        finally:
            # Ctrl-C inside `submit` leaves a thread at work that the pool does not know of, and a
            # second one ends the pool's own waiting.
            for thread in started:
                thread.join()


def free_memory(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that are free on this machine, or in this container where it has less."""
    import psutil

    free = psutil.virtual_memory().available
    for names in _CGROUP_FILES:
        try:
            limit, used, statistics = ((cgroup / name).read_text() for name in names)
        except OSError:
            continue
        if limit.strip() != "max":
            # Cached files count as used there, and give way.
            fields = dict(line.split() for line in statistics.splitlines())
            held = int(used) - int(fields.get("inactive_file", 0))
            free = min(free, max(0, int(limit) - held))
    return free


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
