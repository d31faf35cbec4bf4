"""Walks a folder or an archive: the names of what is in it, and the bytes of what is asked for.

Archives are read as streams and never unpacked to disk. An archive inside an archive is walked as
if it were a folder of that name, so that `caltech-101.zip` as published gives members such as
`caltech-101/101_ObjectCategories.tar.gz/101_ObjectCategories/Faces/image_0001.jpg`.
"""

import contextlib
import dataclasses
import functools
import gzip
import os
import posixpath
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NoReturn, cast

from pipelines.errors import InputError

# More than any photograph; keeps a member that inflates without end from filling the memory. One
# byte beyond it is handed on, so that whoever vets the file sees that it was too large.
MAX_FILE_BYTES = 1 << 28

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")


@dataclasses.dataclass(frozen=True)
class Member:
    """One file or folder.

    Attributes:
        name: Path inside the source, relative, with forward slashes.
        read: Gives the file's bytes; to be called before the next member is asked for.
        is_folder: Whether it is a folder, which has no bytes.
        unusable: Why its bytes cannot be had; '' when they can.
    """

    name: str
    read: Callable[[], bytes] = bytes
    is_folder: bool = False
    unusable: str = ""


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
        relative = Path(folder).relative_to(root)
        for name in folder_names:
            linked = os.path.islink(os.path.join(folder, name))
            unusable = "link to a folder" if linked else ""
            yield Member((relative / name).as_posix(), is_folder=True, unusable=unusable)
        for name in sorted(file_names):
            yield _file_member(Path(folder, name), (relative / name).as_posix(), inside)


def walk_archive(path: Path, nested: bool) -> Iterator[Member]:
    """All members of a .zip, .tar or .tar.gz, in its own order; the content decides which it is.

    Args:
        path: The archive.
        nested: Whether tar archives inside it are walked, too.

    Raises:
        InputError: when it is no archive, damaged or encrypted, and when a member's path or link
            points outside, which nothing honest does.
    """
    with _archive_errors(path), open(path, "rb") as stream:
        walk = _walk_zip if stream.peek(2)[:2] == b"PK" else _walk_tar
        for member, opener in walk(stream, path):
            inner = nested and member.name.lower().endswith(_TAR_SUFFIXES)
            if opener is None or not inner or is_clutter(member.name):
                yield member
                continue
            with opener() as inner_stream:
                for inner_member, _ in _walk_tar(inner_stream, path):
                    name = f"{member.name}/{inner_member.name}"
                    yield dataclasses.replace(inner_member, name=name)


def is_clutter(name: str) -> bool:
    """Whether a path is what operating systems leave behind, and no part of any set."""
    parts = name.split("/")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return hidden or parts[-1].lower() in ("thumbs.db", "desktop.ini")


def is_image(name: str) -> bool:
    """Whether a path is named as images are; vetting tells whether it is one."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not is_clutter(name)


_Open = Callable[[], IO[bytes]]  # opens the bytes of the member at hand


def _walk_zip(stream: IO[bytes], path: Path) -> Iterator[tuple[Member, _Open | None]]:
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            # Some Windows programs write backslashes, against the format's rules.
            name = _inside(info.filename.replace("\\", "/"), path)
            if info.is_dir():
                yield Member(name, is_folder=True), None
                continue
            if info.flag_bits & 0x1:
                raise InputError(
                    f"received {str(path)!r} with the encrypted member {info.filename!r}, expected "
                    "an archive without a password; unpack it and pass the folder."
                )
            opener = functools.partial(archive.open, info)
            read = functools.partial(_read, opener, path)
            if stat.S_ISLNK(info.external_attr >> 16):
                target = posixpath.join(posixpath.dirname(name), read().decode(errors="replace"))
                yield _link_member(name, target, path), None
            else:
                yield Member(name, read), opener


def _walk_tar(stream: IO[bytes], path: Path) -> Iterator[tuple[Member, _Open | None]]:
    plain = _without_gzip(stream)
    with tarfile.open(fileobj=plain, mode="r|", tarinfo=_StrictTarInfo) as archive:
        while (info := archive.next()) is not None:
            # tarfile keeps every header otherwise
            archive.members.clear()  # type: ignore[attr-defined]
            name = _inside(info.name, path)
            if info.isfile():
                opener = cast(_Open, functools.partial(archive.extractfile, info))
                yield Member(name, functools.partial(_read, opener, path)), opener
            elif info.issym() or info.islnk():
                start = posixpath.dirname(info.name) if info.issym() else ""
                yield _link_member(name, posixpath.join(start, info.linkname), path), None
            elif info.isdir():
                yield Member(name, is_folder=True), None
            else:
                yield Member(name, unusable="device"), None
    # gzip compares its checksum only at the very end, which lies behind tar's end.
    while plain.read(1 << 20):
        pass


class _StrictTarInfo(tarfile.TarInfo):
    """Headers that must be whole: tarfile takes a damaged one behind the first for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictTarInfo":
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise  # two blocks of zeros: the proper end
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"the archive breaks off: {error}") from error


def _without_gzip(stream: IO[bytes]) -> IO[bytes]:
    # peek, because a member of a streamed tar cannot be rewound.
    if stream.peek(2)[:2] == b"\x1f\x8b":  # type: ignore[attr-defined]
        return cast(IO[bytes], gzip.GzipFile(fileobj=stream))
    return stream


def _read(opener: _Open, path: Path) -> bytes:
    with _archive_errors(path), opener() as stream:
        return stream.read(MAX_FILE_BYTES + 1)


def _file_member(path: Path, name: str, inside: Path) -> Member:
    if path.is_symlink() and not path.resolve().is_relative_to(inside):
        return Member(name, unusable="link that points outside")
    if not path.is_file():
        return Member(name, unusable="link to nothing, or a device")

    def read() -> bytes:
        try:
            with open(path, "rb") as stream:
                return stream.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            _raise_unreadable(error)

    return Member(name, read)


def _inside(name: str, path: Path) -> str:
    if name.startswith("/") or re.match("[A-Za-z]:/", name) or ".." in name.split("/"):
        raise InputError(
            f"received {str(path)!r} with the member {name!r}, expected paths that stay inside the "
            "archive; do not trust it, and make it again from its folder."
        )
    return posixpath.normpath(name)


def _link_member(name: str, target: str, path: Path) -> Member:
    outside = posixpath.isabs(target) or posixpath.normpath(target).split("/")[0] == ".."
    if outside or is_image(name):
        raise InputError(
            f"received {str(path)!r} with the member {name!r}, a link to {target!r}"
            f"{' outside the archive' if outside else ''}, expected plain files; make the archive "
            "again with `tar --dereference --hard-dereference`."
        )
    return Member(name, unusable="link")


def _raise_unreadable(error: OSError) -> NoReturn:
    raise InputError(
        f"received {error.filename!r}, which cannot be read ({error.strerror}), expected readable "
        "files and folders; see to its permissions or leave it out."
    ) from error


@contextlib.contextmanager
def _archive_errors(path: Path) -> Iterator[None]:
    # NotImplementedError: zip methods that Python lacks; RuntimeError: zip's word for encryption.
    failures = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError)
    try:
        yield
    except (*failures, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"received {str(path)!r}, which cannot be read to its end as an archive ({error}), "
            "expected a whole .zip, .tar.gz or .tar; fetch or make it again, or pass a folder."
        ) from error
