"""From what the user names to files that are to be tried, in order; no TensorFlow."""

import dataclasses
import os
import stat
from collections.abc import Iterator, Sequence

from pipelines.sources.base import IMAGE_SUFFIXES, MAX_FILE_BYTES

FROM_STDIN = "-"


@dataclasses.dataclass(frozen=True)
class NamedFile:
    """One file, or what was named and is none.

    Attributes:
        name: As the user typed it; of a file in a folder, after the folder as it was typed. Bytes
            that are no UTF-8 stand in it as Python's file system functions give them.
        problem: Why it cannot be tried; '' if it can.
    """

    name: str
    problem: str = ""


class UnreadableError(Exception):
    """A file cannot be read; the message says why."""


def find_files(names: Sequence[str], stdin_names: Sequence[str] = ()) -> list[NamedFile]:
    """The files that are named, and those in the folders that are named.

    A folder is gone through recursively, in sorted order, its own files first. In it hidden files
    and folders are left out, links to folders, and files that are not named as images are. A file
    that is named itself is always tried.

    Args:
        names: Of files and folders; '-' stands for `stdin_names`.
        stdin_names: More of them.
    """
    found: list[NamedFile] = []
    for name in names:
        for one in stdin_names if name == FROM_STDIN else [name]:
            if os.path.isdir(one):
                found += _in_folder(one)
            else:
                found.append(NamedFile(one, "" if os.path.lexists(one) else "it does not exist"))
    return found


def read_named(name: str) -> bytes:
    """The bytes of a file, one more than `MAX_FILE_BYTES` at most.

    Raises:
        UnreadableError: if there are none to be had.
    """
    try:
        status = os.stat(name)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError("no regular file")
        with open(name, "rb") as stream:
            # Room is made for as much as is asked for, so no more is asked for than there is.
            return stream.read(min(status.st_size, MAX_FILE_BYTES) + 1)
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error
    except ValueError as error:  # such as a null byte in a name
        raise UnreadableError(str(error)) from error


def _in_folder(folder: str) -> list[NamedFile]:
    found: list[NamedFile] = []
    others = 0
    for file in _walk(folder):
        if file.problem or file.name.lower().endswith(IMAGE_SUFFIXES):
            found.append(file)
        else:
            others += 1
    if found:
        return found
    how = f"{others} other file{'s' * (others != 1)}" if others else "empty"
    return [NamedFile(folder, f"a folder without a file that is named as images are ({how})")]


def _walk(folder: str) -> Iterator[NamedFile]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(
                (entry for entry in entries if not entry.name.startswith(".")),
                key=lambda entry: entry.name,
            )
    except OSError as error:
        yield NamedFile(folder, f"a folder that cannot be listed: {error.strerror}")
        return
    folders = [entry for entry in found if os.path.isdir(entry.path)]
    for entry in found:
        if entry not in folders:
            yield NamedFile(os.path.join(folder, entry.name))
    for entry in folders:
        if not entry.is_symlink():  # which may lead in a circle
            yield from _walk(os.path.join(folder, entry.name))
