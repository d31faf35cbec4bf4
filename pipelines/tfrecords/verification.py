"""Holds all files of a finished set against its manifest."""

import contextlib
import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from etils import epath

from pipelines.runtime.console import progress as show_progress
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.features import parse_features
from pipelines.tfrecords.manifest import (
    ENCODINGS,
    MANIFEST_NAME,
    Manifest,
    load_manifest,
    manifest_bytes,
)
from pipelines.tfrecords.record import DamagedRecordError, scan_records
from pipelines.tfrecords.shard_check import FoundShard, Problem, examine_shard, size_of


@dataclasses.dataclass(frozen=True)
class Verification:
    """What a set was found to be.

    Attributes:
        manifest: None where it cannot be loaded; nothing else is looked at then.
        num_shards: That the manifest names.
        num_records: That could be read.
        num_bytes: Of the shards as they are.
        problems: In the order of the manifest, and of the records in a shard; none for a good set.
    """

    manifest: Manifest | None
    num_shards: int
    num_records: int
    num_bytes: int
    problems: tuple[Problem, ...]


def verify(data_dir: str | os.PathLike[str], progress: bool = True) -> Verification:
    """Reads all of a set and finds what is not as it was written.

    Args:
        data_dir: Local, or wherever `epath` can read.
        progress: Whether to say on stderr how far it is.
    """
    directory = epath.Path(data_dir).expanduser()
    try:
        manifest = load_manifest(directory)
    except InputError as error:
        return Verification(None, 0, 0, 0, (Problem(MANIFEST_NAME, None, str(error)),))
    found = _examine_shards(directory, manifest, progress)
    problems = [
        *_problems_of_manifest(directory, manifest),
        *_problems_of_classes(manifest, found),
        *(problem for shard in found for problem in shard.problems),
        *_repeated_names(directory, found),
        *_problems_of_other_files(directory, manifest),
    ]
    in_order = [MANIFEST_NAME, *(shard.name for shard in manifest.shards)]
    ranks = {name: rank for rank, name in enumerate(in_order)}
    return Verification(
        manifest,
        num_shards=len(found),
        num_records=sum(shard.num_records for shard in found),
        num_bytes=sum(shard.num_bytes for shard in found),
        # Stable: what is about other files stays behind the shards, and in its order.
        problems=tuple(sorted(problems, key=lambda p: (ranks.get(p.file, len(ranks)), _place(p)))),
    )


def _place(problem: Problem) -> int:
    return -1 if problem.record is None else problem.record


def _examine_shards(directory: epath.Path, manifest: Manifest, progress: bool) -> list[FoundShard]:
    shards = manifest.shards
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda shard: examine_shard(directory, shard, manifest), shards)
        if progress:
            found = show_progress(found, len(shards), "Verifying shards", lambda s: s.num_bytes)
        return list(found)


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


def _repeated_names(directory: epath.Path, found: Sequence[FoundShard]) -> Iterator[Problem]:
    """The records whose file name an earlier record has too.

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
                problem = f"its file_name {text!r} is also that of {where}"
                yield Problem(shard.name, number, problem)
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
