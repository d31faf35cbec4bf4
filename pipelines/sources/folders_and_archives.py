"""Walks a folder or an archive of this machine: the names in it, and the bytes of what is wanted.

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
from typing import IO, Any, NoReturn, cast

from pipelines.runtime.errors import InputError
from pipelines.sources.base import MAX_FILE_BYTES, Member, clutter, is_image

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_UNIX = 3  # in a zip, the system that made a member
_UTF8_FLAG = 0x800
_Open = Callable[[], IO[bytes]]  # opens the bytes of the member at hand


def walk_folder(root: Path) -> Iterator[Member]:
    """All files and folders under `root`, in sorted order.

    Links to folders, and links to files outside `root`, are given as unusable: following them
    would read what the user may not have meant to hand over.

    Raises:
        InputError: when a folder cannot be listed.
    """
    return _walk(os.fspath(root), "", os.path.realpath(root))


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The file's bytes, one more than `MAX_FILE_BYTES` at most; an `InputError` if unreadable."""
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


def walk_archive(path: Path, nested: bool) -> Iterator[Member]:
    """All members of a .zip, .tar or .tar.gz, in its own order; the content decides which it is.

    Args:
        nested: Whether tar archives inside it are walked, too.

    Raises:
        InputError: when it is no archive, damaged or encrypted, and when a member's path or link
            points outside, which nothing honest does.
    """
    with _archive_errors(path), open(path, "rb") as stream:
        walk = _walk_zip if stream.peek(2)[:2] == b"PK" else _walk_tar
        for member, opener in walk(stream, path):
            inner = nested and member.name.lower().endswith(_TAR_SUFFIXES)
            if opener is None or not inner or clutter(member.name):
                yield member
                continue
            with opener() as inner_stream:
                for inner_member, _ in _walk_tar(inner_stream, path):
                    name = f"{member.name}/{inner_member.name}"
                    yield dataclasses.replace(inner_member, name=name)


def _walk_zip(stream: IO[bytes], path: Path) -> Iterator[tuple[Member, _Open | None]]:
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            name = _inside(_zip_name(info), path)
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


def _zip_name(info: zipfile.ZipInfo) -> str:
    name = info.filename
    if not info.flag_bits & _UTF8_FLAG:
        # Read as CP437, of which every byte is a character. macOS writes UTF-8 without the flag.
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode()
    # Some Windows programs write backslashes, against the format's rules.
    return name if info.create_system == _UNIX else name.replace("\\", "/")


def _walk_tar(stream: IO[bytes], path: Path) -> Iterator[tuple[Member, _Open | None]]:
    # peek, because a member of a streamed tar cannot be rewound.
    zipped = stream.peek(2)[:2] == b"\x1f\x8b"  # type: ignore[attr-defined]
    plain = cast(IO[bytes], gzip.GzipFile(fileobj=stream)) if zipped else stream
    options: Any = {"mode": "r|", "tarinfo": _StrictTarInfo, "encoding": "utf-8"}
    with tarfile.open(fileobj=plain, **options) as archive:
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


def _read(opener: _Open, path: Path) -> bytes:
    with _archive_errors(path), opener() as stream:
        return stream.read(MAX_FILE_BYTES + 1)


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


@contextlib.contextmanager
def _archive_errors(path: Path) -> Iterator[None]:
    # NotImplementedError: zip methods that Python lacks; RuntimeError: zip's word for encryption.
    # UnicodeDecodeError: a zip whose names are not the UTF-8 that it says.
    failures = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError)
    try:
        yield
    except (*failures, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise InputError(
            f"received {str(path)!r}, which cannot be read to its end as an archive ({error}), "
            "expected a whole .zip, .tar.gz or .tar, or a list named .csv or .jsonl; fetch or make "
            "it again, or pass a folder."
        ) from error
