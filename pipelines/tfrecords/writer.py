"""Plans which record goes into which shard, then writes the shards and the metadata for TFDS.

The plan is a value of its own: it follows from the data set's name, the split and a seed, and no
file, thread or clock has a say in it. Hence the same images give the same bytes everywhere.
"""

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from etils import epath

from pipelines.runtime.files import is_remote, sync_to_disk
from pipelines.tfrecords.index import RecordIndex, write_index
from pipelines.tfrecords.manifest import Manifest, Shard, write_manifest

_RECORDS_TOGETHER = 64
# Each split is shuffled by a stream of its own, so that one does not depend on the others' sizes.
_STREAMS = {"train": 0, "test": 1, "validation": 2}


@dataclasses.dataclass(frozen=True)
class PlannedShard:
    """One shard to be written: the indices of its images, in the order of its records."""

    split: str
    name: str
    indices: tuple[int, ...]


def plan_shards(
    dataset_name: str,
    parts: Mapping[str, Sequence[int]],
    record_bytes: Sequence[int],
    size: tuple[int | None, float | None],
    seed: int,
) -> list[PlannedShard]:
    """Says which image becomes which record of which shard.

    Args:
        dataset_name: First part of the shards' names.
        parts: Split -> indices of its images, in an order that their source has no say in.
        record_bytes: Size of each image's record.
        size: The number of shards for 'train', where the other splits get shards of about the same
            size; or None and the size of each in megabytes, about. No shard is ever empty: a split
            has at most as many as it has images, and at least one.
        seed: Of the order of the records, in which the classes are mixed.
    """
    train_shards, megabytes = size
    images_per_shard = len(parts["train"]) / min(train_shards or 1, len(parts["train"]))
    plan = []
    for split, indices in parts.items():
        order = np.random.default_rng((seed, _STREAMS[split])).permutation(np.asarray(indices))
        wanted = len(order) / images_per_shard
        if megabytes is not None:
            wanted = sum(record_bytes[index] for index in indices) / (megabytes * 1e6)
        count = min(max(1, round(wanted)), len(order))
        for number, chunk in enumerate(np.array_split(order, count)):
            name = f"{dataset_name}-{split}.tfrecord-{number:05}-of-{count:05}"
            plan.append(PlannedShard(split, name, tuple(chunk.tolist())))
    return plan


def write_shard(path: os.PathLike[str], records: Iterable[bytes]) -> Shard:
    """Writes one shard, to the disk and not only to its cache, and says what it is.

    Args:
        path: Local, or wherever `epath` can write.
        records: As `frame_record` gives them, in their order.
    """
    num_examples = num_bytes = 0
    sha256 = hashlib.sha256()
    target = epath.Path(path)
    remaining = iter(records)
    with target.open("wb") as stream:
        # Together, since hashing and writing let other threads run, which takes its time.
        while some := list(itertools.islice(remaining, _RECORDS_TOGETHER)):
            block = b"".join(some)
            stream.write(block)
            sha256.update(block)
            num_examples += len(some)
            num_bytes += len(block)
    if not is_remote(target):
        sync_to_disk(target)
    return Shard(target.name, num_examples, num_bytes, sha256.hexdigest())


def write_beside_shards(
    directory: os.PathLike[str], manifest: Manifest, indices: Mapping[str, RecordIndex]
) -> Manifest:
    """Writes what else a set has, its manifest last, which then names it all.

    Returns:
        The manifest with the hashes of these files.
    """
    # Only here: TFDS is large, and a training run reads sets without it.
    from pipelines.tfrecords.tfds_metadata import write_tfds_metadata

    metadata = write_tfds_metadata(directory, manifest) | write_index(directory, indices)
    manifest = dataclasses.replace(manifest, metadata=metadata)
    write_manifest(directory, manifest)
    return manifest
