"""Walks a folder of this machine: the names of what is in it, and the bytes of one file."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from pipelines.runtime.errors import InputError
from pipelines.sources.members import MAX_FILE_BYTES, Member


def walk_folder(root: Path) -> Iterator[Member]:
    """All files and folders under `root`, in sorted order.

    Links to folders, and links to files outside `root`, are given as unusable: following them
    would read what the user may not have meant to hand over.

    Raises:
        InputError: when a folder cannot be listed.
    """
    return _walk(os.fspath(root), "", os.path.realpath(root))


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The file's bytes, one more than `MAX_FILE_BYTES` at most.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        # Not by `open`, which takes longer than the disk's cache does for a small image.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Room is made for as much as is asked for, so no more is asked for than there is.
            num_bytes = os.fstat(descriptor).st_size
            return os.read(descriptor, min(num_bytes, MAX_FILE_BYTES) + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        _raise_unreadable(error, path)


def _walk(folder: str, prefix: str, inside: str) -> Iterator[Member]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        _raise_unreadable(error, folder)
    folders = [entry for entry in found if _is_folder(entry)]
    for entry in folders:
        unusable = "link to a folder" if entry.is_symlink() else ""
        yield Member(prefix + entry.name, is_folder=True, unusable=unusable)
    for entry in found:
        if not _is_folder(entry):
            yield _file_member(entry, prefix + entry.name, inside)
    for entry in folders:
        if not entry.is_symlink():
            yield from _walk(entry.path, f"{prefix}{entry.name}/", inside)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # What the listing itself tells costs no call each; a link may lead in a circle, which raises.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _file_member(entry: os.DirEntry[str], name: str, inside: str) -> Member:
    linked = entry.is_symlink()
    # Not pathlib's `resolve`, which raises for a link that leads in a circle.
    if linked and os.path.commonpath([inside, os.path.realpath(entry.path)]) != inside:
        return Member(name, unusable="link that points outside")
    if not (os.path.isfile(entry.path) if linked else entry.is_file()):
        return Member(name, unusable="link to nothing, or a device")
    return Member(name, functools.partial(read_file, entry.path))


def _raise_unreadable(error: OSError, path: str | os.PathLike[str]) -> NoReturn:
    raise InputError(
        f"received {os.fspath(path)!r}, which cannot be read ({error.strerror}), expected readable "
        "files and folders; see to its permissions or leave it out."
    ) from error
