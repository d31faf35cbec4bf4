"""Reads the examples of a finished set: all of them, one shard's, or some by their numbers.

No TensorFlow: headers and thumbnails need none, and its import takes seconds.
"""

import contextlib
import dataclasses
import io
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from etils import epath
from PIL import Image

from pipelines.runtime.console import progress
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import size_of
from pipelines.runtime.machine import threads
from pipelines.tfrecords.index import RecordIndex, load_index
from pipelines.tfrecords.manifest import Manifest, Shard, ShardedDataset
from pipelines.tfrecords.record import DamagedRecordError, parse_features, scan_records

__all__ = ["StoredExample", "opened", "picked_examples", "read_shard"]

Image.init()  # registers all formats, before there are threads
_FORMATS = ("JPEG", "PNG")  # what make_tfrecords stores


@dataclasses.dataclass(frozen=True, slots=True)
class StoredExample:
    """One example as it stands in a shard."""

    split: str  # the split that it is in
    label: int  # index of its class, checked to be one
    file_name: str  # its path in the source
    image: bytes  # encoded bytes, or pixels
    # Height, width, channels of the pixels; None for encoded bytes.
    pixels_shape: tuple[int, ...] | None
    # shard, record: Where it stands, the number from 0.
    shard: epath.Path
    record: int


class Collector(Protocol):
    """What is found out about a set, of which one shard can be known before the others."""

    def add(self, example: StoredExample) -> None:
        """Takes one example into account."""

    def merge(self, other: Any) -> None:
        """Takes into account what another collector of this kind has found in the next shard."""


AnyCollector = TypeVar("AnyCollector", bound=Collector)


def survey(dataset: ShardedDataset, make: Callable[[], AnyCollector]) -> AnyCollector:
    """Shows every example of a set to a collector.

    Args:
        make: Makes an empty collector: one for each shard, merged in the manifest's order, so that
            the threads have no say in what is found.

    Raises:
        InputError: at the first record that is damaged or cannot be read.
    """
    splits = dataset.manifest.splits
    tasks = [(name, shard) for name, split in splits.items() for shard in split.shards]

    def collect(task: tuple[str, Shard]) -> tuple[AnyCollector, int]:
        collector = make()
        for example in read_shard(dataset, *task):
            collector.add(example)
        return collector, task[1].num_bytes

    whole = make()
    with threads() as pool:
        collected = pool.map(collect, tasks)
        for part, _ in progress(collected, len(tasks), "Reading shards", lambda found: found[1]):
            whole.merge(part)
    return whole


def read_shard(dataset: ShardedDataset, split: str, shard: Shard) -> Iterator[StoredExample]:
    """The examples of one shard, in the order of its records.

    Raises:
        InputError: at the first record that is damaged, and when there are fewer than there should
            be.
    """
    path = dataset.directory / shard.name
    number = -1
    try:
        with path.open("rb") as stream:
            for number, record in enumerate(scan_records(stream, shard.num_bytes)):
                if isinstance(record, DamagedRecordError):
                    raise _damaged(path, number, str(record))
                yield _parse(record, dataset.manifest, split, path, number)
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror or error})") from error
    if number + 1 != shard.num_examples:
        raise _unusable(path, f"has {number + 1} records and not {shard.num_examples}")


def picked_examples(
    dataset: ShardedDataset, split: str, numbers: Sequence[int], index: RecordIndex | None = None
) -> list[StoredExample]:
    """The examples of a split with these numbers, in the order in which they are asked for.

    Args:
        split: One of its splits.
        numbers: From 0, in stored order, which is that of `pipelines.loading.dataset.eval_batches`.
        index: The split's, if it has been loaded already.

    Raises:
        InputError: for a record that is damaged or cannot be read.
    """
    shards = dataset.manifest.splits[split].shards
    offsets = (index or load_index(dataset, split)).offsets
    ends = np.cumsum([shard.num_examples for shard in shards])
    found: dict[int, StoredExample] = {}
    for number in sorted({int(number) for number in numbers}):
        place = int(np.searchsorted(ends, number, side="right"))
        path = dataset.directory / shards[place].name
        record = number - int(ends[place]) + shards[place].num_examples
        data = _read_record(path, record, int(offsets[number]))
        found[number] = _parse(data, dataset.manifest, split, path, record)
    return [found[int(number)] for number in numbers]


def _read_record(path: epath.Path, number: int, offset: int) -> bytes:
    """The data of the record whose frame begins at `offset`, in bytes; `number` is for messages."""
    try:
        with path.open("rb") as stream:
            num_bytes = size_of(stream) - offset
            stream.seek(offset)
            record = next(scan_records(stream, num_bytes), None)
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror or error})") from error
    if not isinstance(record, bytes):
        raise _damaged(path, number, str(record or "it is missing"))
    return record


@contextlib.contextmanager
def opened(example: StoredExample) -> Iterator[Image.Image]:
    """The picture of an example; encoded bytes are decoded when its pixels are asked for.

    Raises:
        InputError: naming the record, for whatever fails in opening and, within the `with` block,
            in decoding it.
    """
    try:
        if example.pixels_shape:
            pixels = np.frombuffer(example.image, np.uint8).reshape(example.pixels_shape)
            yield Image.fromarray(pixels)
        else:
            with Image.open(io.BytesIO(example.image), formats=_FORMATS) as picture:
                yield picture
    except Exception as error:  # Pillow's readers raise whatever damaged bytes lead them to
        problem = str(error) or type(error).__name__
        raise unreadable_image(example, problem) from error


def unreadable_image(example: StoredExample, problem: str) -> InputError:
    """The error for an example whose bytes are as written, but no image."""
    return _damaged(example.shard, example.record, f"its image cannot be read: {problem}")


def _parse(
    record: bytes, manifest: Manifest, split: str, path: epath.Path, number: int
) -> StoredExample:
    try:
        features = parse_features(record)
        label = features["label"].int64_list.value[0]
        file_name = features["file_name"].bytes_list.value[0]
        image = features["image"].bytes_list.value[0]
    except (ValueError, LookupError) as error:
        raise _damaged(path, number, f"it is no example of this set: {error}") from error
    if not 0 <= label < len(manifest.class_names):
        problem = f"its label is {label}, of {len(manifest.class_names)} classes"
        raise _damaged(path, number, problem)
    name = file_name.decode("utf-8", "surrogateescape")
    shape = (
        tuple(size or 0 for size in manifest.image_shape) if manifest.encoding == "raw" else None
    )
    return StoredExample(split, label, name, image, shape, path, number)


def _damaged(path: epath.Path, number: int, problem: str) -> InputError:
    return _unusable(path, f"is damaged at record {number} ({problem})")


def _unusable(path: epath.Path, problem: str) -> InputError:
    return InputError(
        f"received the shard {os.fspath(path)!r}, which {problem}, expected it as it was written; "
        f"`python -m pipelines.verify --data_dir={os.fspath(path.parent)}` lists all that is wrong."
    )
