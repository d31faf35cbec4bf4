"""Keeps vetted images on disk between the pass over the source and the writing of the shards."""

from pathlib import Path
from types import TracebackType


class Spool:
    """A temporary file of byte strings, numbered as they came; gone when the `with` block ends.

    The records' order is known only when every image has been seen, and the images together may be
    larger than the memory.
    """

    def __init__(self, path: Path):
        self._path = path
        self._ends = [0]

    def __enter__(self) -> "Spool":
        self._stream = open(self._path, "w+b")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stream.close()
        self._path.unlink()

    def append(self, data: bytes) -> None:
        self._stream.seek(self._ends[-1])
        self._stream.write(data)
        self._ends.append(self._ends[-1] + len(data))

    def __getitem__(self, index: int) -> bytes:
        self._stream.seek(self._ends[index])
        return self._stream.read(self._ends[index + 1] - self._ends[index])
