"""Carries out a conversion on this machine: threads prepare records, then write the shards."""

import collections
import concurrent.futures
import contextlib
import itertools
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TypeVar

from etils import epath

from pipelines.manifest import Shard
from pipelines.prepare import Choices, Prepared, prepare
from pipelines.progress import progress
from pipelines.shards import PlannedShard, write_shard
from pipelines.sources import Source, SourceImage
from pipelines.spool import Spool
from pipelines.staging import is_remote
from pipelines.vet import BATCH

Item = TypeVar("Item")
Result = TypeVar("Result")


class LocalEngine:
    """Threads on this machine. The set does not depend on their number.

    The records wait in a temporary file, since where they go is known only when every image has
    been seen; so memory holds the images of a few moments, whatever the size of the set.

    Args:
        num_threads: None for one a core and one more, so that no core is idle while a thread waits
            for a disk or for Python's lock.
    """

    def __init__(self, num_threads: int | None = None):
        self._num_threads = num_threads or (os.cpu_count() or 1) + 1

    def prepare(
        self, source: Source, choices: Choices, directory: os.PathLike[str]
    ) -> Generator[Prepared, None, None]:
        """Prepares all images, in the order of the source, and keeps their records."""
        self._spool = Spool(None if is_remote(directory) else os.fspath(directory))
        batches = _in_order(
            lambda batch: prepare(batch, choices), _batches(source.images()), self._num_threads
        )
        with contextlib.closing(batches):
            for batch in batches:
                self._spool.extend(record for prepared, record in batch if not prepared.rejected)
                yield from (prepared for prepared, _ in batch)
        self._spool.flush()

    def write(self, plan: Sequence[PlannedShard], directory: os.PathLike[str]) -> list[Shard]:
        """Writes the planned shards, where index i is the i-th image that was not rejected."""

        def write_one(planned: PlannedShard) -> Shard:
            records = (self._spool[index] for index in planned.indices)
            return write_shard(epath.Path(directory, planned.name), records)

        shards = _in_order(write_one, plan, self._num_threads)
        with contextlib.closing(shards):
            bar = progress(shards, len(plan), "Writing shards", lambda shard: shard.num_bytes)
            written = list(bar)
        self._spool.close()
        return written


def _batches(images: Iterable[SourceImage]) -> Iterator[list[SourceImage]]:
    remaining = iter(images)
    while batch := list(itertools.islice(remaining, BATCH)):
        yield batch


def _in_order(
    function: Callable[[Item], Result], items: Iterable[Item], num_threads: int
) -> Generator[Result, None, None]:
    """`map` on threads, with few items at a time in memory."""
    pending: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
    remaining = iter(items)
    # Threads will do: decoding, hashing and reading let go of the interpreter.
    with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
        try:
            for item in itertools.islice(remaining, num_threads + 1):
                pending.append(pool.submit(function, item))
            while pending:
                yield pending.popleft().result()
                for item in itertools.islice(remaining, 1):
                    pending.append(pool.submit(function, item))
        finally:
            for future in pending:
                future.cancel()
