"""Begins work before its result is asked for, and gives the results in order."""

import collections
import concurrent.futures
import contextlib
from collections.abc import Iterable, Iterator
from typing import TypeVar

from pipelines.sources import SourceImage

_GROUP_BYTES = 4_000_000  # large files go in smaller groups, which bounds the memory
_CONNECTIONS = 16  # a fetch mostly waits for the network, whatever the number of cores

Item = TypeVar("Item")


@contextlib.contextmanager
def threads(count: int) -> Iterator[concurrent.futures.Executor]:
    """Threads that, when the block ends, finish what they are at and begin nothing more."""
    pool = concurrent.futures.ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def take_ahead(items: Iterable[Item], count: int) -> Iterator[Item]:
    """`items`, of which `count` more than were asked for have been taken at any time."""
    taken: collections.deque[Item] = collections.deque()
    for item in items:
        taken.append(item)
        if len(taken) > count:
            yield taken.popleft()
    while taken:
        yield taken.popleft()


@contextlib.contextmanager
def read_ahead(images: Iterable[SourceImage]) -> Iterator[Iterator[tuple[SourceImage, bytes]]]:
    """Gives `images` with their bytes, in their order.

    Those of other machines are fetched by several threads at a time. Those of this machine are
    read when they are asked for.

    Raises:
        InputError: at an image that cannot be read.
    """
    with threads(_CONNECTIONS) as pool:
        reads = ((i, pool.submit(i.read).result if i.is_remote else i.read) for i in images)
        yield ((image, read()) for image, read in take_ahead(reads, 2 * _CONNECTIONS))


def in_groups(
    files: Iterable[tuple[SourceImage, bytes]], most: int
) -> Iterator[list[tuple[SourceImage, bytes]]]:
    """`files` in lists of at most `most`, and of fewer where they are large."""
    group: list[tuple[SourceImage, bytes]] = []
    num_bytes = 0
    for image, data in files:
        group.append((image, data))
        num_bytes += len(data)
        if len(group) == most or num_bytes >= _GROUP_BYTES:
            yield group
            group, num_bytes = [], 0
    if group:
        yield group
