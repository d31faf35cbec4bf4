"""Compares all files of a finished set with its manifest, and says everything that is wrong."""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import math
import os
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
from etils import epath

from pipelines.runtime.console import counted
from pipelines.runtime.console import progress as show_progress
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import size_of
from pipelines.runtime.machine import threads
from pipelines.tfrecords.manifest import (
    DECODED_FROM,
    ENCODINGS,
    MANIFEST_NAME,
    Manifest,
    Shard,
    load_manifest,
    manifest_bytes,
)
from pipelines.tfrecords.record import (
    FEATURE_KINDS,
    HEADER_BYTES,
    DamagedRecordError,
    is_header,
    parse_features,
    scan_records,
)

__all__ = ["Problem", "Verification", "verify"]

_GZIP_MAGIC = b"\x1f\x8b\x08"
# Large enough for hashlib to let other threads run meanwhile, small beside the memory.
_BLOCK_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Problem:
    """One finding."""

    file: str  # its name in the data directory
    # Its number in the file, from 0; None where the finding is about the whole file.
    record: int | None
    problem: str


@dataclasses.dataclass
class FoundShard:
    """What one shard turned out to hold; of its records no more than is compared across shards."""

    name: str
    num_records: int = 0  # that could be read
    num_bytes: int = 0  # as they are
    labels: Counter[int] = dataclasses.field(default_factory=Counter)  # label -> number of records
    # `hash` of each record's file name.
    name_hashes: "array[int]" = dataclasses.field(default_factory=lambda: array("q"))
    problems: list[Problem] = dataclasses.field(default_factory=list)  # what is wrong, in any order

    def report(self, problem: str, record: int | None = None) -> None:
        self.problems.append(Problem(self.name, record, problem))


class _HashingStream(io.RawIOBase):
    """Hands on what another stream holds, and hashes it on the way."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self.sha256.update(data)
        buffer[: len(data)] = data
        return len(data)


def examine_shard(directory: epath.Path, shard: Shard, manifest: Manifest) -> FoundShard:
    """Reads the shard that the manifest calls `shard`; never raises for what its bytes are."""
    found = FoundShard(shard.name)
    try:
        with (directory / shard.name).open("rb") as stream:
            _read_shard(stream, shard, manifest, found)
    except FileNotFoundError:
        found.report("it is missing")
    except OSError as error:
        found.report(f"it cannot be read ({error.strerror or error})")
    return found


def _read_shard(stream: IO[bytes], shard: Shard, manifest: Manifest, found: FoundShard) -> None:
    found.num_bytes = size_of(stream)
    if not found.num_bytes:
        found.report(f"it is empty, expected {shard.num_bytes:,} bytes")
        return
    if compressed := _compression_of(stream):
        found.report(f"it is {compressed}, expected a shard that is not compressed")
        return
    if found.num_bytes != shard.num_bytes:
        found.report(f"it has {found.num_bytes:,} bytes, expected {shard.num_bytes:,}")
    hashing = _HashingStream(stream)
    damage = None
    number = -1
    records = scan_records(io.BufferedReader(hashing, _BLOCK_BYTES), found.num_bytes)
    for number, record in enumerate(records):
        if isinstance(record, DamagedRecordError):
            damage = record
            found.report(str(record), number)
            continue
        found.num_records += 1
        for problem in _examine_record(record, manifest, found):
            found.report(problem, number)
    count, expected = number + 1, shard.num_examples
    is_counted = not (damage and damage.is_last)  # else how many there are is not known
    if is_counted and count < expected:
        found.report(f"it is missing: the shard has {count} of {expected} records", count)
    elif is_counted and count > expected:
        found.report(f"it is too much: the shard has {count} records, not {expected}", expected)
    if not damage and hashing.sha256.hexdigest() != shard.sha256:
        found.report(
            f"its bytes are not those that were written: SHA-256 {hashing.sha256.hexdigest()}, "
            f"expected {shard.sha256}"
        )


def _compression_of(stream: IO[bytes]) -> str:
    """How a file is compressed, '' if it is not; leaves `stream` at its start."""
    start = stream.read(HEADER_BYTES)
    stream.seek(0)
    # A record of 559,903 bytes has gzip's magic number for its length: hence the second question.
    if not start.startswith(_GZIP_MAGIC) or is_header(start):
        return ""
    try:
        with gzip.GzipFile(fileobj=stream) as decompressed:
            while decompressed.read(_BLOCK_BYTES):
                pass
    except EOFError:
        return "compressed with gzip, and cut"
    except (gzip.BadGzipFile, zlib.error):
        return "compressed with gzip, and damaged"
    return "compressed with gzip, whole"


def _examine_record(data: bytes, manifest: Manifest, found: FoundShard) -> list[str]:
    """What is wrong with a record; takes note of its label and its file name."""
    try:
        features = parse_features(data)
    except ValueError as error:
        return [str(error)]
    problems = []
    for name, kind in FEATURE_KINDS.items():
        if problem := _problem_of_feature(features.get(name), name, kind):
            problems.append(problem)
    if problems:
        return problems
    label = features["label"].int64_list.value[0]
    found.name_hashes.append(hash(features["file_name"].bytes_list.value[0]))
    if 0 <= label < len(manifest.class_names):
        found.labels[label] += 1
    else:
        problems.append(f"its label is {label}, expected 0 to {len(manifest.class_names) - 1}")
    if manifest.encoding == "raw":
        expected = math.prod(size or 0 for size in manifest.image_shape)
        received = len(features["image"].bytes_list.value[0])
        if received != expected:
            problems.append(f"its image has {received:,} bytes, expected {expected:,}")
    return problems


def _problem_of_feature(feature: Any, name: str, kind: str) -> str:
    if feature is None:
        return f"it lacks the feature {name!r}"
    received = feature.WhichOneof("kind")
    if received != kind:
        return f"its feature {name!r} is of the type {received}, expected {kind}"
    count = len(getattr(feature, kind).value)
    return "" if count == 1 else f"its feature {name!r} has {count} values, expected one"


@dataclasses.dataclass(frozen=True)
class Verification:
    """What a set was found to be."""

    manifest: Manifest | None  # None where it cannot be loaded; nothing else is looked at then
    num_shards: int  # that the manifest names
    num_records: int  # that could be read
    num_bytes: int  # of the shards as they are
    # In the order of the manifest, and of the records in a shard; none for a good set.
    problems: tuple[Problem, ...]


def verify(data_dir: str | os.PathLike[str], progress: bool = True) -> Verification:
    """Reads all of a set and finds what is not as it was written.

    Args:
        progress: Whether to say on stderr how far it is.
    """
    directory = epath.Path(data_dir).expanduser()
    try:
        manifest = load_manifest(directory)
    except InputError as error:
        return Verification(None, 0, 0, 0, (Problem(MANIFEST_NAME, None, str(error)),))
    shards = manifest.shards
    with threads() as pool:
        examined = pool.map(lambda shard: examine_shard(directory, shard, manifest), shards)
        if progress:
            examined = show_progress(
                examined, len(shards), "Verifying shards", lambda s: s.num_bytes
            )
        found = list(examined)
    _report_repeated_names(directory, found)
    return Verification(
        manifest,
        num_shards=len(found),
        num_records=sum(shard.num_records for shard in found),
        num_bytes=sum(shard.num_bytes for shard in found),
        problems=(
            *_problems_of_manifest(directory, manifest),
            *_problems_of_classes(manifest, found),
            *(problem for shard in found for problem in sorted(shard.problems, key=_place)),
            *_problems_of_other_files(directory, manifest),
        ),
    )


def _place(problem: Problem) -> int:
    return -1 if problem.record is None else problem.record


def _problems_of_manifest(directory: epath.Path, manifest: Manifest) -> Iterator[Problem]:
    # Its checksum is of what it means: a space too many, or an entry twice, does not change that.
    if (directory / MANIFEST_NAME).read_bytes() != manifest_bytes(manifest):
        yield Problem(MANIFEST_NAME, None, "its bytes are not those that were written")
    if manifest.encoding not in ENCODINGS:
        problem = f"its encoding is {manifest.encoding!r}, expected {' or '.join(ENCODINGS)}"
        yield Problem(MANIFEST_NAME, None, problem)


def _problems_of_classes(manifest: Manifest, found: Sequence[FoundShard]) -> Iterator[Problem]:
    labels = {shard.name: shard.labels for shard in found}
    for name, split in manifest.splits.items():
        counts = sum((labels[shard.name] for shard in split.shards), Counter())
        if counts.total() != split.num_examples:
            continue  # a record is missing or wrong, and reported as that
        for label, class_name in enumerate(manifest.class_names):
            if counts[label] != split.class_counts[label]:
                problem = (
                    f"it gives the class {class_name!r} {split.class_counts[label]} records in the "
                    f"split {name!r}, and its shards hold {counts[label]}"
                )
                yield Problem(MANIFEST_NAME, None, problem)


def _report_repeated_names(directory: epath.Path, found: Sequence[FoundShard]) -> None:
    """Reports the records whose file name an earlier record has too.

    A first pass has left 8 bytes of each name; only shards in which some are equal are read again.
    """
    hashes = np.concatenate([np.empty(0, np.int64), *(shard.name_hashes for shard in found)])
    hashes.sort()
    suspects = frozenset(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    first: dict[bytes, tuple[int, str]] = {}
    for shard in found:
        if suspects.isdisjoint(shard.name_hashes):
            continue
        for number, file_name in _file_names(directory / shard.name):
            if hash(file_name) not in suspects:
                continue
            if file_name in first:
                text = file_name.decode("utf-8", "surrogateescape")
                where = "record {} of {}".format(*first[file_name])
                shard.report(f"its file_name {text!r} is also that of {where}", number)
            first.setdefault(file_name, (number, shard.name))


def _file_names(path: epath.Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as stream:
        num_bytes = size_of(stream)
        for number, record in enumerate(scan_records(stream, num_bytes)):
            if isinstance(record, DamagedRecordError):
                continue
            with contextlib.suppress(ValueError, LookupError):
                yield number, parse_features(record)["file_name"].bytes_list.value[0]


def _problems_of_other_files(directory: epath.Path, manifest: Manifest) -> Iterator[Problem]:
    for name, sha256 in manifest.metadata.items():
        path = directory / name
        try:
            received = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            yield Problem(name, None, "it is missing")
        except OSError as error:
            yield Problem(name, None, f"it cannot be read ({error.strerror or error})")
        else:
            if received != sha256:
                problem = f"it is not as it was written: SHA-256 {received}, expected {sha256}"
                yield Problem(name, None, problem)
    known = manifest.file_names
    for name in sorted(path.name for path in directory.iterdir()):
        if name not in known:
            yield Problem(name, None, f"it is not of this set: {MANIFEST_NAME} does not name it")


def check_sound(data_dir: str | os.PathLike[str]) -> None:
    """Reads all of a set and compares it with its manifest.

    Raises:
        InputError: if anything is not as it was written, naming the first file and record.
    """
    if (found := verify(data_dir)).problems:
        raise _damaged(data_dir, found.manifest, found.problems)


@contextlib.contextmanager
def damage_named(data_dir: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what TensorFlow raises for damaged shards into one line that names file and record.

    TensorFlow names an offset at the most. So the set is verified when reading it has failed, which
    takes a second for a gigabyte. An error that is not the data's is passed on.

    Raises:
        InputError: if the set in `data_dir` is damaged.
    """
    from tensorflow import errors

    try:
        yield
    except (errors.DataLossError, errors.InvalidArgumentError, errors.NotFoundError) as error:
        verification = verify(data_dir)
        known = verification.manifest.file_names if verification.manifest else frozenset()
        # An extra file does no harm.
        problems = [p for p in verification.problems if p.file in known or not known]
        if not problems:
            raise
        raise _damaged(data_dir, verification.manifest, problems) from error


def _damaged(
    data_dir: str | os.PathLike[str], manifest: Manifest | None, problems: Sequence[Problem]
) -> InputError:
    # Rather a record than the file that it is in.
    first = next((p for p in problems if p.record is not None), problems[0])
    where = first.file if first.record is None else f"{first.file}, record {first.record}"
    return InputError(
        f"received {os.fspath(data_dir)!r} with {counted(len(problems), 'problem')} (the "
        f"first in {where}: {first.problem}), expected a set as it was written; see `python -m "
        f"pipelines.verify --data_dir={data_dir}`, and {remedy(data_dir, manifest)}."
    )


def remedy(data_dir: str | os.PathLike[str], manifest: Manifest | None) -> str:
    """What to do about a set in which something is missing or changed."""
    if manifest and DECODED_FROM in manifest.source:
        return f"move {os.fspath(data_dir)} away: the next run with --cache=disk makes it again"
    return "copy the set again or make it again with --overwrite"
