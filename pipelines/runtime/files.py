"""Puts a finished directory into place in one step, and nothing at all when it is not finished.

Work is done in a sibling of the destination, `.NAME.tmp-RANDOM`, which is renamed at the end.
Whoever works holds a lock on that directory, and a lock dies with its process: what is not locked
is what a killed run has left behind, and the next run clears it.

A set that is replaced is moved aside before its successor comes in, to `.NAME.old-RANDOM`. Under
that name it is always whole, and the next run puts it back if nothing has taken its place.

Object stores (gs://, s3://) cannot rename a directory. There the files are written where they
belong, and a set counts as there when its manifest is, which is written last.
"""

import contextlib
import io
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from etils import epath

from pipelines.runtime.directory_lock import locked
from pipelines.runtime.errors import InputError

_UNFINISHED, _ASIDE = "tmp", "old"  # the kinds of `.NAME.KIND-RANDOM`


def is_remote(path: os.PathLike[str] | str) -> bool:
    """Whether a path is a URL of a file system elsewhere, as in gs://bucket/folder."""
    return "://" in os.fspath(path)


@contextlib.contextmanager
def staged_directory(
    destination: os.PathLike[str], replace: bool = False, flag: str = "--output_dir"
) -> Iterator[epath.Path]:
    """A new directory to work in, which becomes `destination` when the `with` block ends well.

    Whatever ends the block otherwise, the directory is removed, and so are the parents that were
    made for it.

    Args:
        destination: Must not exist, or be an empty directory, unless `replace`.
        replace: Whether an existing `destination` gives way. It is moved aside, and removed only
            when its successor stands in its place.
        flag: What the user gave `destination` by, for what is said of it.

    Raises:
        InputError: when `destination` exists, and when the directory cannot be made or written, as
            on a full disk.
    """
    staged = _remote_stage if is_remote(destination) else _local_stage
    with _explained(destination, flag), staged(destination, replace) as stage:
        yield stage


def clear_leftovers(destination: os.PathLike[str], flag: str = "--output_dir") -> None:
    """Removes what runs that are no longer alive have left beside `destination`.

    A set that a killed run had moved aside, to put another in its place, comes back.

    Raises:
        InputError: when that cannot be done.
    """
    target = Path(destination)
    if is_remote(destination) or not target.parent.is_dir():
        return
    with _explained(destination, flag), locked(target.parent, wait=True):
        _clear_leftovers(target)


def to_disk(stream: IO[bytes]) -> None:
    """Has the disk, and not only its cache, hold what was written; remote streams see to it."""
    stream.flush()
    try:
        descriptor = stream.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return
    os.fsync(descriptor)


@contextlib.contextmanager
def _explained(destination: os.PathLike[str], flag: str) -> Iterator[None]:
    """Says of an OSError what was to be written."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"received the output directory {os.fspath(destination)!r}, which cannot be written "
            f"({error.strerror or error}), expected a writable place with room for the set; free "
            f"some or choose another {flag}."
        ) from error


@contextlib.contextmanager
def _local_stage(destination: os.PathLike[str], replace: bool) -> Iterator[epath.Path]:
    target = Path(destination)
    made_parents = [parent for parent in target.parents if not parent.exists()]
    stage = _new_sibling(target, _UNFINISHED)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as locks:
            # Together, so that no other run takes the new directory for one left behind.
            with _place_to_write(target, replace):
                os.mkdir(stage)
                locks.enter_context(locked(stage, wait=True))
            yield epath.Path(stage)
            with _place_to_write(target, replace):
                _put_in_place(stage, target)
    finally:
        # A signal may come between any two steps, so it is the disk that tells what there is to
        # do: of a set in place there is no stage any more, and its parents are not empty.
        shutil.rmtree(stage, ignore_errors=True)
        for parent in made_parents:
            with contextlib.suppress(OSError):
                parent.rmdir()


@contextlib.contextmanager
def _remote_stage(destination: os.PathLike[str], replace: bool) -> Iterator[epath.Path]:
    target = epath.Path(destination)
    if replace:
        raise InputError(
            f"received --overwrite for {os.fspath(destination)!r}, expected a local directory, in "
            "which a set can be replaced in one step; choose another --output_dir, or remove the "
            "old set yourself."
        )
    _check_free(target)
    target.mkdir(parents=True, exist_ok=True)
    try:
        yield target
    except BaseException:
        for path in target.iterdir():
            path.unlink()
        raise


@contextlib.contextmanager
def _place_to_write(destination: Path, replace: bool) -> Iterator[None]:
    """Holds the lock on the parent of `destination`, to which nothing is in the way."""
    with locked(destination.parent, wait=True):
        _clear_leftovers(destination)
        if not replace:
            _check_free(destination)
        yield


def _is_free(destination: Path | epath.Path) -> bool:
    return not destination.exists() or (destination.is_dir() and not any(destination.iterdir()))


def _check_free(destination: Path | epath.Path) -> None:
    if not _is_free(destination):
        raise InputError(
            f"received the output directory {os.fspath(destination)!r}, which is not empty (any "
            "more), expected a new or an empty one; see what is in it, and run this again."
        )


def _put_in_place(stage: Path, destination: Path) -> None:
    try:
        if not _is_free(destination):
            os.rename(destination, _new_sibling(destination, _ASIDE))
        os.rename(stage, destination)
        _clear_leftovers(destination)
    finally:
        # For a signal in between: what is aside comes back, or goes if its successor is there.
        _clear_leftovers(destination)


def _clear_leftovers(destination: Path) -> None:
    """Needs the lock on the parent of `destination`, which whoever moves a set aside holds."""
    for aside in _siblings(destination, _ASIDE):
        if _is_free(destination):
            os.rename(aside, destination)
        else:  # under a name that does not come back, since half removed it would be half a set
            shutil.rmtree(aside.rename(_new_sibling(destination, _UNFINISHED)), ignore_errors=True)
    for stage in _siblings(destination, _UNFINISHED):
        with contextlib.suppress(OSError), locked(stage):
            shutil.rmtree(stage, ignore_errors=True)


def _new_sibling(destination: Path, kind: str) -> Path:
    return destination.with_name(f".{destination.name}.{kind}-{uuid.uuid4().hex[:12]}")


def _siblings(destination: Path, kind: str) -> list[Path]:
    names = sorted(os.listdir(destination.parent))
    return [
        destination.with_name(name)
        for name in names
        if name.startswith(f".{destination.name}.{kind}-")
    ]
