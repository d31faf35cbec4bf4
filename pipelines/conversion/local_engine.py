"""Carries out a conversion on this machine: threads decode images, then write the shards."""

import itertools
import os
import tempfile
from array import array
from collections.abc import Generator, Iterable, Sequence

from etils import epath

from pipelines.conversion.validation import (
    BATCH,
    Choices,
    Prepared,
    decode_images,
    make_records,
    open_images,
)
from pipelines.runtime.console import progress
from pipelines.runtime.files import is_remote
from pipelines.sources import Source
from pipelines.sources.base import in_groups, read_ahead, take_ahead, threads
from pipelines.tfrecords.manifest import Shard
from pipelines.tfrecords.writer import PlannedShard, write_shard


class LocalEngine:
    """Threads on this machine. The set does not depend on their number.

    Threads decode, which is most of the work and needs nothing of Python; what is Python's work
    one thread does alone, since several would pass most of their time waiting for one another.

    The records wait in a temporary file, since where they go is known only when every image has
    been seen; so memory holds the images of a few moments, whatever the size of the set.

    Args:
        num_threads: None for one a core and one more, so that no core is idle while a thread waits.
    """

    def __init__(self, num_threads: int | None = None):
        self._num_threads = num_threads or (os.cpu_count() or 1) + 1

    def prepare(
        self, source: Source, choices: Choices, directory: os.PathLike[str]
    ) -> Generator[Prepared, None, None]:
        """Prepares all images, in the order of the source, and keeps their records."""
        self._spool = Spool(None if is_remote(directory) else os.fspath(directory))
        with threads(self._num_threads) as pool, read_ahead(source.images()) as files:
            groups = in_groups(files, BATCH)
            decoding = (
                (opened, pool.submit(decode_images, opened, choices))
                for opened in (open_images(*zip(*group, strict=True)) for group in groups)
            )
            for opened, decoded in take_ahead(decoding, 2 * self._num_threads):
                batch = make_records(opened, decoded.result(), choices)
                self._spool.extend(record for prepared, record in batch if not prepared.rejected)
                yield from (prepared for prepared, _ in batch)
        self._spool.flush()

    def write(self, plan: Sequence[PlannedShard], directory: os.PathLike[str]) -> list[Shard]:
        """Writes the planned shards, where index i is the i-th image that was not rejected."""

        def write_one(planned: PlannedShard) -> Shard:
            records = (self._spool[index] for index in planned.indices)
            return write_shard(epath.Path(directory, planned.name), records)

        with threads(self._num_threads) as pool:
            writing = (pool.submit(write_one, planned) for planned in plan)
            shards = (shard.result() for shard in take_ahead(writing, self._num_threads))
            bar = progress(shards, len(plan), "Writing shards", lambda shard: shard.num_bytes)
            written = list(bar)
        self._spool.close()
        return written


class Spool:
    """A nameless temporary file of byte strings, numbered as they came; it goes with its process.

    The records' order is known only when every image has been seen, and the images together may be
    larger than the memory. First everything is written, then any thread may read any of it.

    Args:
        directory: Where there is room for it; None for the system's temporary directory.
    """

    def __init__(self, directory: str | None):
        self._stream = tempfile.TemporaryFile(dir=directory)
        self._ends = array("Q", [0])

    def extend(self, items: Iterable[bytes]) -> None:
        """Writes more byte strings, which get the next numbers."""
        written = list(items)
        self._stream.write(b"".join(written))
        self._ends.extend(itertools.accumulate(map(len, written), initial=self._ends.pop()))

    def flush(self) -> None:
        """Makes what was written readable."""
        self._stream.flush()

    def __getitem__(self, index: int) -> bytes:
        start = self._ends[index]
        return os.pread(self._stream.fileno(), self._ends[index + 1] - start, start)

    def close(self) -> None:
        """Gives its room on the disk back."""
        self._stream.close()
