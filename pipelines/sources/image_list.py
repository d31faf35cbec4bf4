"""Labelled images by a list: a CSV file with a header, or JSON objects, one a line."""

import csv
import functools
import json
import os
import posixpath
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from pipelines.runtime.errors import InputError
from pipelines.runtime.files import is_remote
from pipelines.sources.base import Listing, SourceImage, split_named
from pipelines.sources.folders_and_archives import read_file
from pipelines.tfrecords.manifest import SPLITS


def is_list(name: str) -> bool:
    """Whether a file is named as lists are."""
    return name.lower().endswith((".csv", ".jsonl", ".ndjson", ".json"))


class ListFile(NamedTuple):
    """A list of images, and what is needed to find them."""

    name: str  # the list as the user named it, a path or an address
    path: Path  # the list on this machine, with its suffix
    cache: Path  # where images that have addresses are fetched to


def list_lines(listed: ListFile) -> Listing:
    """Counts the images of a list, and looks whether every file on disk is there.

    Raises:
        InputError: at the first line that cannot be used, with its number.
    """
    counts: dict[str, Counter[str]] = {}
    first_of: dict[str, int] = {}
    for number, path, label, split in _lines(listed):
        fail = functools.partial(_fail, listed, number)
        place = _place(listed, number, path)
        if place in first_of:
            fail(f"path {path!r}, which line {first_of[place]} has", "every file once")
        if not is_remote(place) and not os.path.isfile(place):
            fail(f"path {path!r}, where there is no file", f"one at {place!r}")
        first_of[place] = number
        counts.setdefault(split, Counter())[label] += 1
        if "" in counts and len(counts) > 1:
            fail(f"split {split!r} unlike lines before", "a split on every line or on none")
    if not counts:
        raise InputError(
            f"received the list {listed.name!r} without any image, expected a line for each; add "
            "some, or pass another list."
        )
    if len(counts) == 1 and "" not in counts:
        raise InputError(
            f"received the list {listed.name!r} with the split {next(iter(counts))!r} on every "
            "line, expected two splits or none; leave them out to have the images divided."
        )
    return Listing(counts, {}, functools.partial(_read, listed))


def _read(listed: ListFile, classes: frozenset[str]) -> Iterator[SourceImage]:
    """The images of `classes`, in the order of the list, named by their paths as they stand there.

    Raises:
        InputError: at the first line that cannot be used.
    """
    for number, path, label, split in _lines(listed):
        if label in classes:
            place = _place(listed, number, path)
            read: Callable[[], bytes] = functools.partial(read_file, Path(place))
            if is_remote(place):
                from pipelines.sources.remote import read_remote

                read = functools.partial(read_remote, place, listed.cache)
            yield SourceImage(label, path, read, split, is_remote(place))


def _place(listed: ListFile, number: int, path: str) -> str:
    """Where the image on a line lies: its address, or its path on this machine."""
    if is_remote(path):
        return path
    if not is_remote(listed.name):
        return os.path.normpath(listed.path.parent / path)
    if path.startswith("/"):
        # It would be a file of this machine that somebody elsewhere has chosen.
        _fail(listed, number, f"absolute path {path!r}", "paths from the list's folder")
    from pipelines.sources.remote import is_web

    folder = posixpath.dirname(listed.name.partition("?")[0])
    return posixpath.join(folder, urllib.parse.quote(path) if is_web(listed.name) else path)


def _lines(listed: ListFile) -> Iterator[tuple[int, str, str, str]]:
    """Number, path, label and split of the list's lines, each checked by itself."""
    rows = _csv_rows if listed.path.name.lower().endswith(".csv") else _json_rows
    for number, row in rows(listed):
        fail = functools.partial(_fail, listed, number)
        path, label, split = row["path"], row["label"], row.get("split")
        if not isinstance(path, str) or not path:
            fail(f"path {path!r}", "a path or an address")
        if isinstance(label, int) and not isinstance(label, bool):
            label = str(label)
        if not isinstance(label, str) or not label:
            fail(f"label {label!r}", "the name of a class")
        named = split_named(split) if isinstance(split, str) else ""
        if split not in (None, "") and not named:
            fail(f"split {split!r}", f"one of {', '.join(SPLITS)}")
        yield number, path, label, named


def _csv_rows(listed: ListFile) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(_text_lines(listed), strict=True)
    try:
        header = next(reader, [])
        _check_columns(listed, 1, header)
        for fields in reader:
            if fields and len(fields) != len(header):
                found = f"{len(fields)} fields"
                _fail(listed, reader.line_num, found, f"{len(header)}, as the header has")
            if fields:
                yield reader.line_num, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        _fail(listed, reader.line_num, f"text that is no CSV ({error})", "comma-separated values")


def _json_rows(listed: ListFile) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in enumerate(_text_lines(listed), start=1):
        if text.strip():
            try:
                row = json.loads(text)
            except (json.JSONDecodeError, RecursionError) as error:
                _fail(listed, number, f"text that is no JSON ({error})", "one object a line")
            if not isinstance(row, dict):
                _fail(listed, number, f"{type(row).__name__} of JSON", "one object a line")
            _check_columns(listed, number, row)
            yield number, row


def _check_columns(listed: ListFile, number: int, found: Any) -> None:
    for column in ("path", "label"):
        if column not in found:
            names = ", ".join(map(repr, found)) or "nothing"
            _fail(listed, number, f"no column {column!r} but {names}", "path, label and any split")


def _text_lines(listed: ListFile) -> Iterator[str]:
    try:
        with open(listed.path, "rb") as stream:
            for number, line in enumerate(stream, start=1):
                # Spreadsheets put a byte order mark before the first name.
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        _fail(listed, number, f"bytes that are no UTF-8 ({error.reason})", "text in UTF-8")
    except OSError as error:
        raise InputError(
            f"received the list {listed.name!r}, which cannot be read ({error.strerror}), expected "
            "a readable file; see to its permissions."
        ) from error


def _fail(listed: ListFile, number: int, received: str, expected: str) -> NoReturn:
    raise InputError(
        f"received line {number} of the list {listed.name!r} with {received}, expected {expected}; "
        "mend that line."
    )
