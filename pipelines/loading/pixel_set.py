"""Writes a set that holds the decoded images of another set, each in the same place."""

import dataclasses
import itertools
import os
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf
from etils import epath

from pipelines.loading.decode import CHANNELS, decode_batch
from pipelines.runtime.console import progress
from pipelines.tfrecords.damage import DECODED_FROM, damage_named
from pipelines.tfrecords.example import FEATURES, serialize_example
from pipelines.tfrecords.index import make_indices
from pipelines.tfrecords.manifest import Manifest, Shard, Split
from pipelines.tfrecords.record import frame_record
from pipelines.tfrecords.writer import PlannedShard, write_beside_shards, write_shard

ORIGIN = DECODED_FROM  # the entry of a manifest's `source` that tells such a set from others
_BATCH = 32  # images decoded in one call
# About as much as a record has beside its pixels: the names of its features, a file name, a hash.
_RECORD_OVERHEAD = 256


def origin_of(manifest: Manifest, image_size: int, decode_ratio: int) -> dict[str, Any]:
    """All that the pixels follow from, as a set of them says it.

    TensorFlow is part of it: another release may come with another decoder of JPEG.
    """
    return {
        "data_set": manifest.fingerprint,
        "image_size": image_size,
        "decode_ratio": decode_ratio,
        "tensorflow": tf.__version__,
    }


def pixel_set_bytes(manifest: Manifest, image_size: int) -> int:
    """How many bytes the set of pixels will have, about, and rather too many."""
    count = sum(shard.num_examples for shard in manifest.shards)
    return count * (image_size**2 * CHANNELS + _RECORD_OVERHEAD)


def write_pixel_set(
    directory: str | os.PathLike[str],
    data_dir: str | os.PathLike[str],
    manifest: Manifest,
    image_size: int,
    decode_ratio: int,
    threads: int,
) -> Manifest:
    """Decodes every image of a set, and writes its pixels where its encoded bytes were.

    All else is as it was: the records, their order, in which shard each is, label and names. So
    whatever follows from the place of a record, as the order of an epoch does, is the same.

    Args:
        directory: Where the set is written to, empty.
        data_dir: The directory of the set that is read, local or wherever TensorFlow can read.
        manifest: What is in it: encoded images.
        image_size: Height and width of the decoded images in pixels.
        decode_ratio: 1, 2, 4 or 8; see `pipelines.loading.decode.decode_and_resize`.
        threads: Batches that are decoded at the same time.

    Raises:
        InputError: when the set in `data_dir` is damaged.
        OSError: when `directory` cannot be written.
    """
    plan = _stored_plan(manifest)
    paths = [os.fspath(epath.Path(data_dir, planned.name)) for planned in plan]
    labels, record_bytes = array("q"), array("q")

    def records() -> Iterator[bytes]:
        for example in _decoded_examples(paths, image_size, decode_ratio, threads):
            record = frame_record(serialize_example(**example))
            labels.append(example["label"])
            record_bytes.append(len(record))
            yield record

    with damage_named(data_dir):
        shards = _write_shards(directory, plan, records())
    pixels = _describe(manifest, plan, shards, image_size, decode_ratio)
    indices = make_indices(plan, record_bytes, labels)
    return write_beside_shards(epath.Path(directory), pixels, indices)


def _stored_plan(manifest: Manifest) -> list[PlannedShard]:
    """The shards as they are, with their records numbered in stored order."""
    plan, first = [], 0
    for name, split in manifest.splits.items():
        for shard in split.shards:
            stop = first + shard.num_examples
            plan.append(PlannedShard(name, shard.name, tuple(range(first, stop))))
            first = stop
    return plan


def _write_shards(
    directory: str | os.PathLike[str], plan: Sequence[PlannedShard], records: Iterator[bytes]
) -> list[Shard]:
    count = sum(len(planned.indices) for planned in plan)
    remaining = progress(records, count, "Decoding to disk", len)
    shards = []
    for planned in plan:
        of_shard = itertools.islice(remaining, len(planned.indices))
        shards.append(write_shard(epath.Path(directory, planned.name), of_shard))
    # A shard that is cut between two records gives no error by itself, only fewer of them.
    surplus = sum(1 for _ in remaining)
    received = sum(shard.num_examples for shard in shards) + surplus
    if received != count:
        raise tf.errors.DataLossError(None, None, f"{received} records, expected {count}")
    return shards


def _describe(
    manifest: Manifest,
    plan: Sequence[PlannedShard],
    shards: Sequence[Shard],
    image_size: int,
    decode_ratio: int,
) -> Manifest:
    written = list(zip(plan, shards, strict=True))
    splits = {
        name: Split(
            split.class_counts,
            tuple(shard for planned, shard in written if planned.split == name),
        )
        for name, split in manifest.splits.items()
    }
    choices = {"encoding": "raw", "image_size": image_size, "decode_ratio": decode_ratio}
    return dataclasses.replace(
        manifest,
        splits=splits,
        encoding="raw",
        image_shape=(image_size, image_size, CHANNELS),
        source={**manifest.source, ORIGIN: origin_of(manifest, image_size, decode_ratio)},
        settings={**manifest.settings, **choices},
    )


def _decoded_examples(
    paths: Sequence[str], image_size: int, decode_ratio: int, threads: int
) -> Iterator[dict[str, Any]]:
    """The arguments of `serialize_example` for each record of some shards, in stored order."""

    def decode(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.io.parse_example(serialized, FEATURES)
        # With what decodes where there is no such set, so that the pixels are the same.
        return {**features, "image": decode_batch(features["image"], image_size, decode_ratio)}

    options = tf.data.Options()
    options.autotune.enabled = False
    batches = (
        tf.data.TFRecordDataset(list(paths))
        .batch(_BATCH)
        .map(decode, num_parallel_calls=threads, deterministic=True)
        .prefetch(threads)
        .with_options(options)
    )
    for batch in batches.as_numpy_iterator():
        columns = (batch[name] for name in ("image", "label", "file_name", "sha256"))
        for image, label, file_name, sha256 in zip(*columns, strict=True):
            yield {
                "image": image.tobytes(),
                "label": int(label),
                "file_name": file_name.decode("utf-8", "surrogateescape"),
                "sha256": sha256.decode(),
            }
