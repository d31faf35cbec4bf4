"""Carries out a conversion on this machine: threads decode images, then write the shards."""

import itertools
import os
import tempfile
from array import array
from collections.abc import Generator, Sequence

from etils import epath

from pipelines.conversion.validation import (
    BATCH,
    Choices,
    Prepared,
    decode_images,
    make_records,
    read_headers,
)
from pipelines.runtime.console import progress
from pipelines.runtime.files import is_remote
from pipelines.runtime.machine import threads
from pipelines.sources import Source
from pipelines.sources.base import in_groups, read_ahead, take_ahead
from pipelines.tfrecords.manifest import Shard
from pipelines.tfrecords.writer import PlannedShard, write_shard


class LocalEngine:
    """Threads on this machine. The set does not depend on their number.

    Threads decode, which is most of the work and needs nothing of Python; what is Python's work
    one thread does alone, since several would pass most of their time waiting for one another.

    The records wait in a nameless temporary file, which goes with its process: where they belong is
    known only when every image has been seen, and together they may be larger than the memory.

    Args:
        num_threads: None for one a core and one more, so that no core is idle while a thread waits.
    """

    def __init__(self, num_threads: int | None = None):
        self._num_threads = num_threads or (os.cpu_count() or 1) + 1

    def prepare(
        self, source: Source, choices: Choices, directory: os.PathLike[str]
    ) -> Generator[Prepared, None, None]:
        """Prepares all images, in the order of the source, and keeps their records."""
        self._spool = tempfile.TemporaryFile(dir=None if is_remote(directory) else directory)
        self._ends = array("Q", [0])  # of the records in it
        with threads(self._num_threads) as pool, read_ahead(source.images()) as files:
            groups = (zip(*group, strict=True) for group in in_groups(files, BATCH))
            decoding = (
                (images, data, pool.submit(decode_images, data, read_headers(data), choices))
                for images, data in groups
            )
            for images, data, decoded in take_ahead(decoding, 2 * self._num_threads):
                batch = list(make_records(images, data, decoded.result(), choices))
                kept = [record for prepared, record in batch if not prepared.rejected]
                self._spool.write(b"".join(kept))
                self._ends.extend(itertools.accumulate(map(len, kept), initial=self._ends.pop()))
                yield from (prepared for prepared, _ in batch)
        self._spool.flush()

    def write(self, plan: Sequence[PlannedShard], directory: os.PathLike[str]) -> list[Shard]:
        """Writes the planned shards, where index i is the i-th image that was not rejected."""

        def write_one(planned: PlannedShard) -> Shard:
            places = ((self._ends[index], self._ends[index + 1]) for index in planned.indices)
            records = (os.pread(self._spool.fileno(), end - start, start) for start, end in places)
            return write_shard(epath.Path(directory, planned.name), records)

        with threads(self._num_threads) as pool:
            writing = (pool.submit(write_one, planned) for planned in plan)
            shards = (shard.result() for shard in take_ahead(writing, self._num_threads))
            bar = progress(shards, len(plan), "Writing shards", lambda shard: shard.num_bytes)
            written = list(bar)
        self._spool.close()
        return written
