"""Puts a finished directory into place in one step, and nothing at all when it is not finished.

Work is done in a sibling of the destination, `.NAME.tmp-PID`, which is renamed at the end. Whoever
works holds a lock on that directory, and a lock dies with its process: what is not locked is what a
killed run has left behind, and the next run clears it.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipelines.errors import InputError


@contextlib.contextmanager
def staged_directory(destination: Path, replace: bool = False) -> Iterator[Path]:
    """A new directory to work in, which becomes `destination` when the `with` block ends well.

    Whatever ends the block otherwise, the directory is removed, and so are the parents that were
    made for it.

    Args:
        destination: Must not exist, or be an empty directory, unless `replace`.
        replace: Whether an existing `destination` gives way. It is moved aside, and removed only
            when its successor stands in its place.

    Raises:
        InputError: when the directory cannot be made or written, as on a full disk.
    """
    made_parents = [parent for parent in destination.parents if not parent.exists()]
    stage = destination.with_name(f".{destination.name}.tmp-{os.getpid()}")
    made = finished = False
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(destination)
        stage.mkdir()
        made = True
        with _locked(stage):
            yield stage
            _put_in_place(stage, destination, replace)
            finished = True
    except OSError as error:
        raise InputError(
            f"received the output directory {str(destination)!r}, which cannot be written "
            f"({error.strerror or error}), expected a writable place with room for the set; free "
            "some or choose another --output_dir."
        ) from error
    finally:
        if made and not finished:
            shutil.rmtree(stage, ignore_errors=True)
        if not finished:
            for parent in made_parents:
                with contextlib.suppress(OSError):  # somebody else uses it by now
                    parent.rmdir()


def _put_in_place(stage: Path, destination: Path, replace: bool) -> None:
    if not (replace and destination.exists()):
        os.rename(stage, destination)  # onto nothing or an empty directory; else an error
        return
    aside = destination.with_name(f".{destination.name}.old-{os.getpid()}")
    os.rename(destination, aside)
    try:
        os.rename(stage, destination)
    except BaseException:
        os.rename(aside, destination)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _clear_leftovers(destination: Path) -> None:
    """Removes what runs that are no longer alive have left beside `destination`."""
    siblings = sorted(path.name for path in destination.parent.iterdir())
    for sibling in siblings:
        path = destination.with_name(sibling)
        if sibling.startswith(f".{destination.name}.old-") and not destination.exists():
            os.rename(path, destination)  # killed between the two renames: the old set is whole
        elif sibling.startswith((f".{destination.name}.old-", f".{destination.name}.tmp-")):
            with contextlib.suppress(OSError), _locked(path):
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Holds the lock on `directory`; raises OSError where another process has it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
