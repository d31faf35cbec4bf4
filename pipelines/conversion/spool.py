"""Keeps finished records on disk between the pass over the source and the writing of the shards."""

import itertools
import os
import tempfile
from array import array
from collections.abc import Iterable


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
