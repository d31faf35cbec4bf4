"""Reads one shard to its end and says everything that is wrong with it."""

import dataclasses
import gzip
import hashlib
import io
import math
import os
import zlib
from array import array
from collections import Counter
from typing import IO, Any

from etils import epath

from pipelines.tfrecords.features import FEATURE_KINDS, parse_features
from pipelines.tfrecords.manifest import Manifest, Shard
from pipelines.tfrecords.record import HEADER_BYTES, DamagedRecordError, is_header, scan_records

_GZIP_MAGIC = b"\x1f\x8b\x08"
# Large enough for hashlib to let other threads run meanwhile, small beside the memory.
_BLOCK_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Problem:
    """One finding.

    Attributes:
        file: Its name in the data directory.
        record: Its number in the file, from 0; None where the finding is about the whole file.
        problem: What is wrong.
    """

    file: str
    record: int | None
    problem: str


@dataclasses.dataclass
class FoundShard:
    """What one shard turned out to hold; of its records no more than is compared across shards.

    Attributes:
        name: The shard's.
        num_records: That could be read.
        num_bytes: As they are.
        labels: Label -> number of records.
        name_hashes: `hash` of each record's file name.
        problems: What is wrong, in the order of the records.
    """

    name: str
    num_records: int = 0
    num_bytes: int = 0
    labels: Counter[int] = dataclasses.field(default_factory=Counter)
    name_hashes: "array[int]" = dataclasses.field(default_factory=lambda: array("q"))
    problems: list[Problem] = dataclasses.field(default_factory=list)

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
    compressed = _compression_of(stream)
    if compressed:
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
    if not (damage and damage.is_last):
        _compare_counts(number + 1, shard, found)
    if not damage and hashing.sha256.hexdigest() != shard.sha256:
        found.report(
            f"its bytes are not those that were written: SHA-256 {hashing.sha256.hexdigest()}, "
            f"expected {shard.sha256}"
        )


def size_of(stream: IO[bytes]) -> int:
    """The bytes in a file that is read, which stays at its start."""
    stream.seek(0, os.SEEK_END)
    size = stream.tell()
    stream.seek(0)
    return size


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


def _compare_counts(num_records: int, shard: Shard, found: FoundShard) -> None:
    expected = shard.num_examples
    if num_records < expected:
        found.report(
            f"it is missing: the shard has {num_records} of {expected} records", num_records
        )
    elif num_records > expected:
        found.report(
            f"it is too much: the shard has {num_records} records, not {expected}", expected
        )


def _examine_record(data: bytes, manifest: Manifest, found: FoundShard) -> list[str]:
    """What is wrong with a record; takes note of its label and its file name."""
    try:
        features = parse_features(data)
    except ValueError as error:
        return [str(error)]
    problems = []
    for name, kind in FEATURE_KINDS.items():
        problem = _problem_of_feature(features.get(name), name, kind)
        if problem:
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
