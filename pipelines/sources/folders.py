"""Walks a folder of this machine: the names of what is in it, and the bytes of one file."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from pipelines.errors import InputError
from pipelines.sources.members import MAX_FILE_BYTES, Member


def walk_folder(root: Path) -> Iterator[Member]:
    """All files and folders under `root`, in sorted order.

    Links to folders, and links to files outside `root`, are given as unusable: following them
    would read what the user may not have meant to hand over.

    Raises:
        InputError: when a folder cannot be listed.
    """
    inside = root.resolve()
    for folder, folder_names, file_names in os.walk(root, onerror=_raise_unreadable):
        folder_names.sort()
        # Plain strings: pathlib would take as long as a third of the decoding.
        prefix = "" if folder == os.fspath(root) else f"{os.path.relpath(folder, root)}/"
        for name in folder_names:
            linked = os.path.islink(os.path.join(folder, name))
            unusable = "link to a folder" if linked else ""
            yield Member(prefix + name, is_folder=True, unusable=unusable)
        for name in sorted(file_names):
            yield _file_member(os.path.join(folder, name), prefix + name, inside)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The file's bytes, one more than `MAX_FILE_BYTES` at most.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        with open(path, "rb", buffering=0) as stream:
            # Room is made for as much as is asked for, so no more is asked for than there is.
            num_bytes = os.fstat(stream.fileno()).st_size
            return stream.read(min(num_bytes, MAX_FILE_BYTES) + 1)
    except OSError as error:
        _raise_unreadable(error)


def _file_member(path: str, name: str, inside: Path) -> Member:
    if os.path.islink(path) and not Path(path).resolve().is_relative_to(inside):
        return Member(name, unusable="link that points outside")
    if not os.path.isfile(path):
        return Member(name, unusable="link to nothing, or a device")
    return Member(name, functools.partial(read_file, path))


def _raise_unreadable(error: OSError) -> NoReturn:
    raise InputError(
        f"received {error.filename!r}, which cannot be read ({error.strerror}), expected readable "
        "files and folders; see to its permissions or leave it out."
    ) from error
