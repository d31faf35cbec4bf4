"""Plans which record goes into which shard, then writes the shards and the metadata for TFDS.

The plan is a value of its own: it follows from the data set's name, the split and a seed, and no
file, thread or clock has a say in it. Hence the same images give the same bytes everywhere.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from pipelines.manifest import IMAGE_SHAPE, Shard, Split

_VERSION = "1.0.0"  # of the data set, for TFDS; the manifest's fingerprint tells sets apart
# Each split is shuffled by a stream of its own, so that one does not depend on the others' sizes.
_STREAMS = {"train": 0, "test": 1, "validation": 2}


@dataclasses.dataclass(frozen=True)
class PlannedShard:
    """One shard to be written: the indices of its images, in the order of its records."""

    split: str
    name: str
    indices: tuple[int, ...]


def plan_shards(
    dataset_name: str, parts: Mapping[str, Sequence[int]], num_shards: int, seed: int
) -> list[PlannedShard]:
    """Says which image becomes which record of which shard.

    Args:
        dataset_name: First part of the shards' names.
        parts: Split -> indices of its images.
        num_shards: For 'train'; the other splits get shards of about the same size. No shard is
            ever empty: a split has at most as many as it has images, and at least one.
        seed: Of the order of the records, in which the classes are mixed.
    """
    images_per_shard = len(parts["train"]) / min(num_shards, len(parts["train"]))
    plan = []
    for split, indices in parts.items():
        order = np.random.default_rng((seed, _STREAMS[split])).permutation(np.asarray(indices))
        count = max(1, round(len(order) / images_per_shard))
        for number, chunk in enumerate(np.array_split(order, count)):
            name = f"{dataset_name}-{split}.tfrecord-{number:05}-of-{count:05}"
            plan.append(PlannedShard(split, name, tuple(chunk.tolist())))
    return plan


def write_shard(path: Path, records: Iterable[bytes]) -> Shard:
    """Writes one shard, to the disk and not only to its cache, and says what it is."""
    num_examples = 0
    try:
        with tf.io.TFRecordWriter(os.fspath(path)) as writer:
            for record in records:
                writer.write(record)
                num_examples += 1
    except tf.errors.OpError as error:  # as on a full disk, where Python would raise OSError
        raise OSError(error.message) from error
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
        sha256 = hashlib.sha256()
        while block := stream.read(1 << 20):
            sha256.update(block)
    return Shard(path.name, num_examples, path.stat().st_size, sha256.hexdigest())


def write_tfds_metadata(
    directory: Path, dataset_name: str, class_names: Sequence[str], splits: Mapping[str, Split]
) -> None:
    """Writes what `tfds.builder_from_directory` needs to read the shards in `directory`."""
    template = tfds.core.ShardedFileTemplate(
        data_dir=directory, dataset_name=dataset_name, filetype_suffix="tfrecord"
    )
    split_infos = [
        tfds.core.SplitInfo(
            name=name,
            shard_lengths=[shard.num_examples for shard in split.shards],
            num_bytes=sum(shard.num_bytes for shard in split.shards),
            filename_template=template.replace(split=name),
        )
        for name, split in splits.items()
    ]
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=IMAGE_SHAPE, encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(names=list(class_names)),
            "file_name": tfds.features.Text(),
            "sha256": tfds.features.Text(),
        }
    )
    tfds.folder_dataset.write_metadata(
        data_dir=os.fspath(directory),
        features=features,
        split_infos=split_infos,
        version=_VERSION,
        check_data=False,
    )
