"""Files and directories that are whole or not there; locks; and the files that a flag names.

A directory is filled beside its destination, in `.NAME.tmp-RANDOM`, which is renamed at the end.
The process that fills it holds a lock on it, which ends with the process: a directory of such a
name without a lock was left by a killed run, and the next run removes it.

A directory that is replaced first moves to `.NAME.old-RANDOM`. Under that name it is always whole,
and the next run puts it back if nothing has taken its place.

Object stores (gs://, s3://) cannot rename a directory. There files are written where they belong,
and a set counts as there when its manifest is, which is written last.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pipelines.runtime.errors import InputError

if TYPE_CHECKING:  # it takes longer to import than `--help` to print
    from etils import epath

StrPath = str | os.PathLike[str]

_UNFINISHED, _ASIDE = "tmp", "old"  # the kinds of `.NAME.KIND-RANDOM`
_UNFINISHED_FILE = ".unfinished-"


def any_path(path: StrPath) -> "epath.Path":
    """A path as `etils.epath` has it, local or an address such as gs://bucket/folder."""
    from etils import epath

    return epath.Path(path)


def is_remote(path: StrPath) -> bool:
    """Whether a path is an address on another file system, such as gs://bucket/folder."""
    return "://" in os.fspath(path)


def is_free(path: "Path | epath.Path") -> bool:
    """Whether nothing is at `path`, or an empty directory."""
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def nearest_existing(path: StrPath) -> Path:
    """A local path, absolute, or the first of its parents that exists."""
    absolute = Path(path).absolute()
    return next(p for p in (absolute, *absolute.parents) if os.path.lexists(p))


def sync_to_disk(path: StrPath) -> None:
    """Waits until a local file or directory is on the disk and not only in its cache."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Locks on directories.


@contextlib.contextmanager
def locked(directory: StrPath, wait: bool = False) -> Iterator[None]:
    """Holds the lock on `directory`, as far as its file system has locks for directories.

    With `wait` it waits for another process that has it, and goes without where there are no locks,
    as on NFS; else both are an OSError.
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


def share_lock(directory: StrPath) -> int:
    """Takes a lock on `directory` that others may share; waits for `locked` ones.

    Returns a descriptor, whose closing ends the lock; one also where there are no locks.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def is_locked(directory: StrPath) -> bool:
    """Whether anyone has a lock of either kind on `directory`; False where there are no locks."""
    try:
        with locked(directory):
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


# Files.


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Gives another name, hidden and with the same ending, to write to.

    When the block ends well, the file is on the disk and takes the place of `path`; if it fails,
    the file is removed and `path` is as it was.
    """
    unfinished = path.with_name(_UNFINISHED_FILE + path.name)
    try:
        yield unfinished
        # Before the name changes: after a power cut there would else be an empty file under it.
        sync_to_disk(unfinished)
        unfinished.replace(path)
        sync_to_disk(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def remove_unfinished(directory: Path) -> None:
    """Removes what killed processes left of `atomic_file`; no other may be writing there."""
    for leftover in directory.glob(f"{_UNFINISHED_FILE}*"):
        leftover.unlink()


def check_output_file(flag: str, path: str, data_dir: StrPath | None = None) -> None:
    """Checks that `path`, which `flag` gave, can be written, as far as can be seen before any work.

    A URL is not looked at.

    Raises:
        InputError: when it cannot be written, or lies in the set that is read, `data_dir`.
    """
    if is_remote(path):
        return
    target = any_path(path).expanduser().resolve()
    if data_dir is not None and target.parent == any_path(data_dir).expanduser().resolve():
        raise InputError(
            f"received {flag}={path}, which lies in the data directory, expected a file elsewhere "
            "(a finished set holds nothing but its own files); choose another folder."
        )
    if target.is_dir():
        raise _unwritable(flag, path, "it is a directory")
    try:
        if target.exists():
            target.open("ab").close()
        else:
            # Not the file itself: the work that is to fill it may yet fail.
            tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise _unwritable(flag, path, error.strerror or str(error)) from error


def write_output_file(flag: str, path: str, data: bytes) -> None:
    """Writes a file that `check_output_file` let pass; an `InputError` if that fails after all."""
    try:
        any_path(path).expanduser().write_bytes(data)
    except OSError as error:
        raise _unwritable(flag, path, error.strerror or str(error)) from error


def _unwritable(flag: str, path: str, problem: str) -> InputError:
    return InputError(
        f"received {flag}={path}, which cannot be written ({problem}), expected a file in a folder "
        "that exists and may be written to; choose another one."
    )


def size_of(stream: IO[bytes]) -> int:
    """The bytes in a file that is read, which stays at its start."""
    # In TensorFlow's streams, which `epath` may open an object store with, `seek` returns nothing.
    stream.seek(0, os.SEEK_END)
    size = stream.tell()
    stream.seek(0)
    return size


# Directories.


def check_movable(directory: StrPath) -> None:
    """An `InputError` for a directory that no other can replace: the current one, a mount point."""
    here = os.path.exists(directory) and os.path.samefile(directory, os.curdir)
    if here or os.path.ismount(directory):
        what = "the current directory" if here else "a mount point"
        raise InputError(
            f"received the output directory {os.fspath(directory)!r}, which is {what}, expected "
            "one that a finished set can be put in the place of; choose a directory inside it."
        )


@contextlib.contextmanager
def atomic_directory(
    destination: StrPath, replace: bool = False, flag: str = "--output_dir"
) -> Iterator["epath.Path"]:
    """Gives a new directory to fill, which becomes `destination` when the `with` block ends well.

    If the block fails, the directory is removed, and so are the parents that were made for it.

    Args:
        destination: Must not exist, or be an empty directory, unless `replace`: then it is moved
            aside, and removed only when its successor stands in its place.
        flag: The flag that gave `destination`, for messages.

    Raises:
        InputError: when `destination` exists, and when the directory cannot be made or written, as
            on a full disk.
    """
    stage_in = _remote_stage if is_remote(destination) else _local_stage
    with _explained(destination, flag), stage_in(destination, replace) as stage:
        yield stage


def remove_leftovers(destination: StrPath, flag: str = "--output_dir") -> None:
    """Removes what runs that are no longer alive have left beside `destination`.

    A directory that a killed run had moved aside, to put another in its place, comes back. Where
    that cannot be done, it is an `InputError`.
    """
    target = Path(destination)
    if is_remote(destination) or not target.parent.is_dir():
        return
    with _explained(destination, flag), locked(target.parent, wait=True):
        _remove_leftovers(target)


@contextlib.contextmanager
def _explained(destination: StrPath, flag: str) -> Iterator[None]:
    """Adds to an OSError what was to be written."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"received the output directory {os.fspath(destination)!r}, which cannot be written "
            f"({error.strerror or error}), expected a writable place with room for the set; free "
            f"some or choose another {flag}."
        ) from error


@contextlib.contextmanager
def _local_stage(destination: StrPath, replace: bool) -> Iterator["epath.Path"]:
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
            yield any_path(stage)
            with _place_to_write(target, replace):
                _put_in_place(stage, target)
    finally:
        # A signal may come between any two steps, so what there is to do is read from the disk: a
        # set that is in place has no stage any more, and its parents are not empty.
        shutil.rmtree(stage, ignore_errors=True)
        for parent in made_parents:
            with contextlib.suppress(OSError):
                parent.rmdir()


@contextlib.contextmanager
def _remote_stage(destination: StrPath, replace: bool) -> Iterator["epath.Path"]:
    target = any_path(destination)
    if replace:
        raise InputError(
            f"received --overwrite for {os.fspath(destination)!r}, expected a local directory, in "
            "which a set can be replaced in one step; choose another --output_dir, or move the "
            "old set away yourself."
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
    """Holds the lock on the parent of `destination`, which is free or may be replaced."""
    with locked(destination.parent, wait=True):
        _remove_leftovers(destination)
        if not replace:
            _check_free(destination)
        yield


def _check_free(destination: "Path | epath.Path") -> None:
    if not is_free(destination):
        raise InputError(
            f"received the output directory {os.fspath(destination)!r}, which is not empty (any "
            "more), expected a new or an empty one; see what is in it, and run this again."
        )


def _put_in_place(stage: Path, destination: Path) -> None:
    try:
        if not is_free(destination):
            os.rename(destination, _new_sibling(destination, _ASIDE))
        os.rename(stage, destination)
        _remove_leftovers(destination)
    finally:
        # For a signal in between: what is aside comes back, or goes if its successor is there.
        _remove_leftovers(destination)


def _remove_leftovers(destination: Path) -> None:
    """Needs the lock on the parent of `destination`, under which sets are moved aside."""
    for aside in _siblings(destination, _ASIDE):
        if is_free(destination):
            os.rename(aside, destination)
        else:  # under a name that does not come back, since half removed it would be half a set
            shutil.rmtree(aside.rename(_new_sibling(destination, _UNFINISHED)), ignore_errors=True)
    for stage in _siblings(destination, _UNFINISHED):
        with contextlib.suppress(OSError), locked(stage):
            shutil.rmtree(stage, ignore_errors=True)


def _new_sibling(destination: Path, kind: str) -> Path:
    return destination.with_name(f".{destination.name}.{kind}-{os.urandom(6).hex()}")


def _siblings(destination: Path, kind: str) -> list[Path]:
    names, start = sorted(os.listdir(destination.parent)), f".{destination.name}.{kind}-"
    return [destination.with_name(name) for name in names if name.startswith(start)]
