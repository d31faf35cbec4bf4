"""Files that are whole or not there, whatever ends the process that writes them."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_UNFINISHED = ".unfinished-"


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Another name, hidden and with the same ending, to write to.

    When the block ends well what was written is on the disk and takes the place of `path`; else it
    goes.

    Raises:
        OSError: if that cannot be done.
    """
    unfinished = path.with_name(_UNFINISHED + path.name)
    try:
        yield unfinished
        _to_disk(unfinished)
        unfinished.replace(path)
        _to_disk(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def clear_unfinished(directory: Path) -> None:
    """Removes what killed processes have left behind; nobody else may be writing there."""
    for leftover in directory.glob(f"{_UNFINISHED}*"):
        leftover.unlink()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
