"""Keeps decoded images: in memory for one run, or on the disk, where later runs find them."""

import contextlib
import dataclasses
import itertools
import os
import shutil
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from etils import epath

from pipelines.loading.decode import CHANNELS, decode_batch
from pipelines.runtime import console
from pipelines.runtime.console import progress, readable_size
from pipelines.runtime.errors import InputError
from pipelines.runtime.files import (
    StrPath,
    atomic_directory,
    check_movable,
    is_free,
    is_locked,
    is_remote,
    locked,
    nearest_existing,
    remove_leftovers,
    share_lock,
)
from pipelines.tfrecords.index import RecordIndex, load_index
from pipelines.tfrecords.manifest import (
    DECODED_FROM,
    MANIFEST_NAME,
    Manifest,
    Shard,
    ShardedDataset,
    Split,
    check_shards,
    open_dataset,
)
from pipelines.tfrecords.record import frame_record, parse_spec, serialize_example
from pipelines.tfrecords.verification import damage_named
from pipelines.tfrecords.writer import write_beside_shards, write_shard

_AUTO_SHARE, _MOST_SHARE = 0.5, 0.9  # of the free memory, for --cache=auto and memory
_FLAG = "--cache_dir"
# What a set that has another origin is, by the entry that differs.
_OF_OTHER_ORIGIN = {
    "data_set": "images of another data set",
    "image_size": "images of --image_size={}",
    "decode_ratio": "images of --decode_ratio={}",
    "tensorflow": "images that TensorFlow {} decoded",
}
_BATCH = 32  # images decoded in one call
# About as much as a record has beside its pixels: the names of its features, a file name, a hash.
_RECORD_OVERHEAD = 256

# Directory -> a descriptor whose lock tells others that this process reads it, until it ends.
_in_use: dict[str, int] = {}


@dataclasses.dataclass(frozen=True)
class CacheChoice:
    """'memory', 'disk' or 'none', and the reason in words."""

    cache: str
    reason: str


def choose_cache(
    wanted: str,
    num_images: int,
    image_size: int,
    free_bytes: int,
    *,
    budget_bytes: int | None = None,
    services: bool = False,
) -> CacheChoice:
    """Decides before any memory is taken; an InputError for 'memory' where it does not fit.

    Args:
        wanted: 'auto', 'memory', 'disk' or 'none'.
        budget_bytes: Most that may be taken; a share of what is free unless given.
        services: Whether data services decode.
    """
    if wanted in ("disk", "none"):
        return CacheChoice(wanted, "as asked for")
    if services:
        return CacheChoice("none", "data services keep nothing from one epoch to the next")
    needed = num_images * image_size**2 * CHANNELS
    share = _AUTO_SHARE if wanted == "auto" else _MOST_SHARE
    most, limit = int(share * free_bytes), f"{share:.0%} of the free memory are"
    if budget_bytes is not None:
        most, limit = budget_bytes, "--cache_memory_mb allows"
    takes, has = readable_size(needed), readable_size(most)
    sizes = f"{num_images:,} decoded images take {takes}, {limit} {has}"
    if needed <= most:
        return CacheChoice("memory", sizes)
    if wanted == "auto":
        return CacheChoice("none", f"{sizes}; --cache=disk keeps them on the disk")
    raise InputError(
        f"received --cache=memory where {sizes}, expected room for all of them; use --cache=disk, "
        "none or auto, or allow more with --cache_memory_mb."
    )


# In memory.


class MemoryCache:
    """Room for every decoded image of a split, which can then be had in any order.

    A variable and not `Dataset.cache`, which can only be read from its beginning to its end: an
    epoch visits the images in an order of its own.
    """

    def __init__(self, num_images: int, image_size: int) -> None:
        with tf.device("/device:CPU:0"):
            # Not zeroed, so that memory is taken only as it is filled.
            empty = tf.raw_ops.Empty(
                shape=[num_images, image_size, image_size, CHANNELS], dtype=tf.uint8
            )
            self._images = tf.Variable(empty, trainable=False, name="decoded_images")

    def put(self, records: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
        """Keeps `images`, uint8 (batch, size, size, 3), as those of `records`, int64 (batch,).

        Returns:
            The records; what depends on these runs after their images are kept.
        """
        kept = self._images.scatter_update(tf.IndexedSlices(images, records))
        with tf.control_dependencies([kept]):
            return tf.identity(records)

    def get(self, records: tf.Tensor) -> tf.Tensor:
        """The images of `records`, int64 (batch,): uint8 (batch, size, size, 3)."""
        return self._images.sparse_read(records)


# On the disk: a set of pixels, beside the set of encoded images.


@dataclasses.dataclass(frozen=True)
class DecodedSet:
    """What is to be read: the set of pixels, or where none is made yet the data set itself."""

    dataset: ShardedDataset
    story: str  # in words, whether it was found or made, where, and how large it is


def decoded_set(
    dataset: ShardedDataset,
    image_size: int,
    decode_ratio: int,
    *,
    cache_dir: StrPath | None = None,
    threads: int | None = None,
    make: bool = True,
) -> DecodedSet:
    """The decoded images of a set: those in `cache_dir`, or made there.

    A set of pixels that is there is used if it was made from the same data with the same image size
    and decode ratio, and is whole; else its successor takes its place. One process at a time makes
    one of a data set; others wait, and find it. A data set of pixels is used as it is.

    Args:
        image_size: Height and width of the decoded images in pixels.
        decode_ratio: See `pipelines.loading.decode.decode_and_resize`.
        cache_dir: Missing, empty, or what an earlier call has made; `DATA_DIR.cache` unless given.
        threads: Batches that are decoded at the same time; one a core unless given.
        make: Whether to make the set where it is not there. If not, nothing is written, and the
            result is `dataset` itself, with the story of what would be made; what is refused is
            refused as far as can be seen before.

    Raises:
        InputError: when `cache_dir` holds anything else, which stays as it is; when another run
            reads the images that would be replaced; when there is not enough room; when the data
            set is damaged.
    """
    if dataset.manifest.encoding == "raw":
        place = os.fspath(dataset.directory)
        return DecodedSet(dataset, f"{place} holds pixels already, which are read as they are")
    directory = _cache_directory(dataset, cache_dir)
    with _one_at_a_time(dataset.directory) if make else contextlib.nullcontext():
        if make:
            remove_leftovers(directory, _FLAG)
        there = _set_in(directory)
        origin = _origin_of(dataset.manifest, image_size, decode_ratio)
        fault = _fault(there, origin) if there else ""
        if there and not fault:
            how = f"found in {directory}"
        else:
            needed = pixel_set_bytes(dataset.manifest, image_size)
            _check_place(directory, there, fault)
            _check_room(directory, needed)
            how = f"made in {directory}" + (f" in place of {fault}" if fault else "")
            if not make:
                return DecodedSet(dataset, f"to be {how}: {readable_size(needed)}")
            threads = threads or os.cpu_count() or 1
            with atomic_directory(directory, replace=there is not None, flag=_FLAG) as stage:
                manifest = _write_pixels(stage, dataset, image_size, decode_ratio, threads)
            there = ShardedDataset(directory, manifest)
        if make:
            _use(directory)
    return DecodedSet(there, f"{how}: {_size_of(there.manifest)}")


def pixel_set_bytes(manifest: Manifest, image_size: int) -> int:
    """How many bytes the set of pixels will have, about, and rather too many."""
    count = sum(shard.num_examples for shard in manifest.shards)
    return count * (image_size**2 * CHANNELS + _RECORD_OVERHEAD)


def _origin_of(manifest: Manifest, image_size: int, decode_ratio: int) -> dict[str, Any]:
    """All that the pixels follow from, as a set of them says it.

    TensorFlow is part of it: another release may come with another decoder of JPEG.
    """
    return {
        "data_set": manifest.fingerprint,
        "image_size": image_size,
        "decode_ratio": decode_ratio,
        "tensorflow": tf.__version__,
    }


def _cache_directory(dataset: ShardedDataset, cache_dir: StrPath | None) -> epath.Path:
    data_dir = dataset.directory
    if cache_dir is None and is_remote(data_dir):
        raise InputError(
            f"received --cache=disk for {os.fspath(data_dir)!r}, which is not on this machine, "
            f"expected {_FLAG} as well; pass a directory on a disk of this machine."
        )
    if cache_dir is None:
        cache_dir = os.path.abspath(data_dir.expanduser()) + ".cache"
    path = epath.Path(cache_dir).expanduser()
    # Through links: nothing can be renamed onto one. (epath's own `resolve` leaves them.)
    return path if is_remote(path) else epath.Path(os.path.realpath(path))


def _one_at_a_time(data_dir: epath.Path) -> contextlib.AbstractContextManager[None]:
    """A block that waits for other processes that are in it for the same data set."""
    if is_remote(data_dir):
        return contextlib.nullcontext()
    data_dir = data_dir.expanduser()
    if is_locked(data_dir):
        line = f"Waiting for another process, which decodes {os.fspath(data_dir)!r} to the disk."
        console.note(line)
    return locked(data_dir, wait=True)


def _set_in(directory: epath.Path) -> ShardedDataset | None:
    """The set of pixels in `directory`, damaged or not; None where there is nothing at all.

    Raises:
        InputError: when there is something else.
    """
    if is_free(directory):
        return None
    try:
        dataset = open_dataset(directory)
        if DECODED_FROM in dataset.manifest.source:
            return dataset
        what = "a set that --cache=disk did not make"
    except InputError:
        what = f"something, but no {MANIFEST_NAME} that can be read"
    raise InputError(
        f"received {_FLAG}={directory}, which holds {what}, expected decoded images that a run "
        f"with --cache=disk has left, or nothing; choose another {_FLAG}."
    )


def _fault(there: ShardedDataset, origin: dict[str, Any]) -> str:
    """What is there instead of a whole set of this origin; '' for that set."""
    for name, expected in origin.items():
        received = there.manifest.source[DECODED_FROM].get(name)
        if received != expected:
            return _OF_OTHER_ORIGIN[name].format(received)
    try:
        check_shards(there)
        for split in there.manifest.splits:
            load_index(there, split)
    except InputError:
        return "damaged ones"
    return ""


def _check_place(directory: epath.Path, there: ShardedDataset | None, fault: str) -> None:
    """Checks that a set can take the place of what is there, and may."""
    if not is_remote(directory):
        check_movable(directory)
        _let_go(directory)
    if there is None:
        return
    others = sorted({path.name for path in directory.iterdir()} - there.manifest.file_names)
    if others:
        problem, advice = f" and also {others[0]!r}", "move that away"
    elif is_remote(directory):
        problem, advice = " and is not on this machine", "move it away yourself"
    elif is_locked(directory):
        problem, advice = ", which another run reads", "wait until that has ended"
    else:
        return
    raise InputError(
        f"received {_FLAG}={directory}, which holds {fault}{problem}, expected one in which images "
        f"can be replaced; {advice}, or choose another {_FLAG}."
    )


def _check_room(directory: epath.Path, needed: int) -> None:
    if is_remote(directory):
        return
    free = shutil.disk_usage(nearest_existing(directory)).free
    if free < needed:
        raise InputError(
            f"received {_FLAG}={directory} on a disk with {readable_size(free)} free, expected "
            f"{readable_size(needed)} for decoded images; free some, choose another {_FLAG}, or "
            "use --cache=none."
        )


def _use(directory: epath.Path) -> None:
    """Tells other processes that this one reads what is in `directory`."""
    _let_go(directory)
    if not is_remote(directory):
        _in_use[os.fspath(directory)] = share_lock(directory)


def _let_go(directory: epath.Path) -> None:
    descriptor = _in_use.pop(os.fspath(directory), None)
    if descriptor is not None:
        os.close(descriptor)


def _size_of(manifest: Manifest) -> str:
    height, width, _ = manifest.image_shape
    count = sum(split.num_examples for split in manifest.splits.values())
    num_bytes = sum(shard.num_bytes for shard in manifest.shards)
    return f"{count:,} images of {width}x{height} pixels, {readable_size(num_bytes)}"


# How the set of pixels is written.


def _write_pixels(
    directory: epath.Path, dataset: ShardedDataset, image_size: int, decode_ratio: int, threads: int
) -> Manifest:
    """Decodes every image of a set, and writes its pixels where its encoded bytes were.

    All else is as it was: the records, their order, in which shard each is, label and names. So
    whatever follows from the place of a record, as the order of an epoch does, is the same.
    """
    count = sum(shard.num_examples for shard in dataset.manifest.shards)
    offsets, labels = array("q"), array("q")  # of the records, in stored order

    def records_of(shard: Shard) -> Iterator[bytes]:
        offset = 0
        for label, record in itertools.islice(decoded, shard.num_examples):
            offsets.append(offset)
            labels.append(label)
            offset += len(record)
            yield record

    with damage_named(dataset.directory):
        records = _decoded_records(dataset, image_size, decode_ratio, threads)
        decoded = progress(records, count, "Decoding to disk", lambda found: len(found[1]))
        splits, indices = {}, {}
        for name, split in dataset.manifest.splits.items():
            first = len(labels)
            shards = [write_shard(directory / one.name, records_of(one)) for one in split.shards]
            splits[name] = Split(split.class_counts, tuple(shards))
            indices[name] = RecordIndex(np.array(offsets[first:]), np.array(labels[first:]))
        # A shard that is cut between two records gives no error by itself, only fewer of them.
        received = sum(split.num_examples for split in splits.values()) + sum(1 for _ in decoded)
        if received != count:
            raise tf.errors.DataLossError(None, None, f"{received} records, expected {count}")
    origin = _origin_of(dataset.manifest, image_size, decode_ratio)
    choices = {"encoding": "raw", "image_size": image_size, "decode_ratio": decode_ratio}
    pixels = dataclasses.replace(
        dataset.manifest,
        splits=splits,
        encoding="raw",
        image_shape=(image_size, image_size, CHANNELS),
        source={**dataset.manifest.source, DECODED_FROM: origin},
        settings={**dataset.manifest.settings, **choices},
    )
    return write_beside_shards(directory, pixels, indices)


def _decoded_records(
    dataset: ShardedDataset, image_size: int, decode_ratio: int, threads: int
) -> Iterator[tuple[int, bytes]]:
    """Label and framed record of pixels for each record of a set, in stored order."""

    def decode(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.io.parse_example(serialized, parse_spec())
        # With what decodes where there is no such set, so that the pixels are the same.
        return {**features, "image": decode_batch(features["image"], image_size, decode_ratio)}

    options = tf.data.Options()
    options.autotune.enabled = False
    batches = (
        tf.data.TFRecordDataset([dataset.path(shard.name) for shard in dataset.manifest.shards])
        .batch(_BATCH)
        .map(decode, num_parallel_calls=threads, deterministic=True)
        .prefetch(threads)
        .with_options(options)
    )
    for batch in batches.as_numpy_iterator():
        columns = (batch[name] for name in ("image", "label", "file_name", "sha256"))
        for image, label, file_name, sha256 in zip(*columns, strict=True):
            name = file_name.decode("utf-8", "surrogateescape")
            data = serialize_example(image.tobytes(), int(label), name, sha256.decode())
            yield int(label), frame_record(data)
