"""Puts a finished directory into place in one step, and nothing at all when it is not finished.

Work is done in a sibling of the destination, `.NAME.tmp-RANDOM`, which is renamed at the end.
Whoever works holds a lock on that directory, and a lock dies with its process: what is not locked
is what a killed run has left behind, and the next run clears it.

Object stores (gs://, s3://) cannot rename a directory. There the files are written where they
belong, and a set counts as there when its manifest is, which is written last.
"""

import contextlib
import fcntl
import io
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from etils import epath

from pipelines.errors import InputError


def is_remote(path: os.PathLike[str] | str) -> bool:
    """Whether a path is a URL of a file system elsewhere, as in gs://bucket/folder."""
    return "://" in os.fspath(path)


@contextlib.contextmanager
def staged_directory(destination: os.PathLike[str], replace: bool = False) -> Iterator[epath.Path]:
    """A new directory to work in, which becomes `destination` when the `with` block ends well.

    Whatever ends the block otherwise, the directory is removed, and so are the parents that were
    made for it.

    Args:
        destination: Must not exist, or be an empty directory, unless `replace`.
        replace: Whether an existing `destination` gives way. It is moved aside, and removed only
            when its successor stands in its place.

    Raises:
        InputError: when `destination` exists, and when the directory cannot be made or written, as
            on a full disk.
    """
    staged = _remote_stage if is_remote(destination) else _local_stage
    try:
        with staged(destination, replace) as stage:
            yield stage
    except OSError as error:
        raise InputError(
            f"received the output directory {os.fspath(destination)!r}, which cannot be written "
            f"({error.strerror or error}), expected a writable place with room for the set; free "
            "some or choose another --output_dir."
        ) from error


def clear_leftovers(destination: os.PathLike[str]) -> None:
    """Removes what runs that are no longer alive have left beside `destination`.

    A set that a killed run had moved aside, to put another in its place, comes back.
    """
    target = Path(destination)
    if is_remote(destination) or not target.parent.is_dir():
        return
    with _locked(target.parent, wait=True):
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
def _local_stage(destination: os.PathLike[str], replace: bool) -> Iterator[epath.Path]:
    target = Path(destination)
    made_parents = [parent for parent in target.parents if not parent.exists()]
    stage = target.with_name(f".{target.name}.tmp-{uuid.uuid4().hex[:12]}")
    made = finished = False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as locks:
            # Together, so that no other run takes the new directory for one left behind.
            with _locked(target.parent, wait=True):
                _clear_leftovers(target)
                if not replace:
                    _check_free(target)
                stage.mkdir()
                made = True
                locks.enter_context(_locked(stage, wait=True))
            yield epath.Path(stage)
            with _locked(target.parent, wait=True):
                _put_in_place(stage, target, replace)
            finished = True
    finally:
        if made and not finished:
            shutil.rmtree(stage, ignore_errors=True)
        if not finished:
            for parent in made_parents:
                with contextlib.suppress(OSError):  # somebody else uses it by now
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


def _check_free(destination: Path | epath.Path) -> None:
    if destination.exists() and any(destination.iterdir()):
        raise InputError(
            f"received the output directory {os.fspath(destination)!r}, which is not empty (any "
            "more), expected a new or an empty one; see what is in it, and run this again."
        )


def _put_in_place(stage: Path, destination: Path, replace: bool) -> None:
    if not (replace and destination.exists()):
        os.rename(stage, destination)  # onto nothing or an empty directory; else an error
        return
    aside = destination.with_name(f".{destination.name}.old-{uuid.uuid4().hex[:12]}")
    os.rename(destination, aside)
    try:
        os.rename(stage, destination)
    except BaseException:
        os.rename(aside, destination)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _clear_leftovers(destination: Path) -> None:
    siblings = sorted(path.name for path in destination.parent.iterdir())
    for sibling in siblings:
        path = destination.with_name(sibling)
        if sibling.startswith(f".{destination.name}.old-") and not destination.exists():
            os.rename(path, destination)  # killed between the two renames: the old set is whole
        elif sibling.startswith((f".{destination.name}.old-", f".{destination.name}.tmp-")):
            with contextlib.suppress(OSError), _locked(path):
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(directory: Path, wait: bool = False) -> Iterator[None]:
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
