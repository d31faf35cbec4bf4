"""Passes on what several processes print, line by line, and says of each line whose it is."""

import os
import threading
from collections.abc import Callable, Iterable
from typing import IO


class PrefixedOutput:
    """Threads, one for each pipe, that write whole lines, also where all write to one file.

    Args:
        on_lost: Is called, in such a thread, with the error when a line cannot be written. What
            follows from that pipe is read and dropped, so that nobody waits for room in it.
    """

    def __init__(self, on_lost: Callable[[OSError], None]):
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def pass_on(self, pipe: IO[bytes], prefix: str, descriptor: int) -> None:
        """Starts to write the lines of `pipe` to a file descriptor, each after `prefix`."""
        self._start(self._copy, pipe, prefix.encode(), descriptor)

    def say(self, line: str, descriptor: int) -> None:
        """Writes a line between those of the pipes, without waiting until it is written."""
        self._start(self._copy, [line.encode()], b"", descriptor)

    def join(self) -> None:
        """Waits until all pipes have been closed at their other ends and all is written."""
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _copy(self, lines: Iterable[bytes], prefix: bytes, descriptor: int) -> None:
        lost = False
        for line in lines:
            if lost:
                continue
            try:
                with self._lock:
                    _write(descriptor, prefix + line.removesuffix(b"\n") + b"\n")
            except OSError as error:
                lost = True
                self._on_lost(error)


def _write(descriptor: int, data: bytes) -> None:
    # Not by sys.stdout, which would keep what it cannot write and try again when Python ends.
    while data:
        data = data[os.write(descriptor, data) :]
