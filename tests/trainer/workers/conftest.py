"""Workers in processes of their own, and ports for them."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def free_addresses(count: int) -> tuple[str, ...]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return tuple(f"127.0.0.1:{s.getsockname()[1]}" for s in sockets)


@pytest.fixture
def addresses() -> tuple[str, ...]:
    """Of three workers, on free ports of this machine."""
    return free_addresses(3)


class Workers:
    """Processes that run the same module as workers 0, 1, ...

    Args:
        arguments: Of each worker, after `python`.
        environments: Of each, what is added to this process's.
    """

    def __init__(self, arguments: Sequence[list[str]], environments: Sequence[dict]) -> None:
        self.processes = [
            subprocess.Popen(
                [sys.executable, *one],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for one, environment in zip(arguments, environments, strict=True)
        ]

    def wait_for_line(self, line: str, *indices: int) -> None:
        """Waits until each of the workers, by default all, has printed it."""
        for index in indices or range(len(self.processes)):
            printed = iter(self.processes[index].stdout.readline, "")
            assert line in (text.strip() for text in printed), f"worker {index}: {self.end(index)}"

    def tell(self, index: int, text: str) -> None:
        """Writes a line to a worker's stdin."""
        self.processes[index].stdin.write(f"{text}\n")
        self.processes[index].stdin.flush()

    def end(self, index: int) -> tuple[int, str, str]:
        """Waits for a worker's end: its exit status, what it printed since, and its errors."""
        process = self.processes[index]
        # Its stdin stays open until then: it may be reading.
        status = process.wait(300)
        return status, process.stdout.read(), process.stderr.read()

    def kill(self) -> None:
        """Ends all that is left."""
        for process in self.processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@pytest.fixture
def start_workers() -> Iterator[Callable[..., Workers]]:
    """Starts `Workers`; they are gone when the test is."""
    with contextlib.ExitStack() as stack:

        def start(arguments: Sequence[list[str]], environments: Sequence[dict] = ()) -> Workers:
            workers = Workers(arguments, environments or [{}] * len(arguments))
            stack.callback(workers.kill)
            return workers

        yield start
