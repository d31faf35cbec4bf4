"""Locks on directories. A lock dies with its process, however that ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator


@contextlib.contextmanager
def locked(directory: str | os.PathLike[str], wait: bool = False) -> Iterator[None]:
    """Holds the lock on `directory`, as far as its file system has locks for directories.

    Args:
        directory: What to lock.
        wait: Whether to wait for another process that has it, or where there are no locks to go
            without, as on NFS; else both are an OSError.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            if not wait:
                raise
        yield
    finally:
        os.close(descriptor)


def share_lock(directory: str | os.PathLike[str]) -> int:
    """A lock on `directory` that any number may have at the same time; waits for `locked` ones.

    Returns:
        A descriptor, with whose closing it ends. Where there are no locks it is one all the same.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def is_locked(directory: str | os.PathLike[str]) -> bool:
    """Whether anyone has a lock of either kind on `directory`; False where there are no locks."""
    try:
        with locked(directory):
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False
