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
_VERSION = "1.0.0"  # of the data set, for TFDS; the manifest's fingerprint tells sets apart


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
    """Writes one shard of framed `records`, to the disk and not only to its cache; describes it."""
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


def make_indices(
    plan: Sequence[PlannedShard], record_bytes: Sequence[int], labels: Sequence[int]
) -> dict[str, RecordIndex]:
    """Split -> its index, which follows from the plan: no shard need be there.

    Args:
        plan: All shards, those of a split in the order of the manifest.
        record_bytes: Size of each image's record with its frame, by the indices of the plan.
        labels: Label of each image, likewise.
    """
    sizes, all_labels = np.asarray(record_bytes, np.int64), np.asarray(labels, np.int64)
    indices = {}
    for split in dict.fromkeys(shard.split for shard in plan):
        shards = [np.asarray(shard.indices, np.int64) for shard in plan if shard.split == split]
        offsets = [np.cumsum(sizes[images]) - sizes[images] for images in shards]
        indices[split] = RecordIndex(np.concatenate(offsets), all_labels[np.concatenate(shards)])
    return indices


def write_beside_shards(
    directory: os.PathLike[str], manifest: Manifest, indices: Mapping[str, RecordIndex]
) -> Manifest:
    """Writes what else a set has, its manifest last, which then names it all.

    Returns:
        The manifest with the hashes of these files.
    """
    metadata = write_tfds_metadata(directory, manifest) | write_index(directory, indices)
    manifest = dataclasses.replace(manifest, metadata=metadata)
    write_manifest(directory, manifest)
    return manifest


def write_tfds_metadata(directory: os.PathLike[str], manifest: Manifest) -> dict[str, str]:
    """Writes what `tfds.builder_from_directory` needs; returns each file's name -> its SHA-256."""
    # Only here: TFDS is large, and a training run reads sets without it.
    import tensorflow_datasets as tfds

    before = set(epath.Path(directory).iterdir())
    template = tfds.core.ShardedFileTemplate(
        data_dir=directory, dataset_name=manifest.name, filetype_suffix="tfrecord"
    )
    split_infos = [
        tfds.core.SplitInfo(
            name=name,
            shard_lengths=[shard.num_examples for shard in split.shards],
            num_bytes=sum(shard.num_bytes for shard in split.shards),
            filename_template=template.replace(split=name),
        )
        for name, split in manifest.splits.items()
    ]
    image = (
        tfds.features.Image(shape=manifest.image_shape, encoding_format="jpeg")
        if manifest.encoding == "jpeg"
        else tfds.features.Tensor(
            shape=manifest.image_shape, dtype=np.uint8, encoding=tfds.features.Encoding.BYTES
        )
    )
    features = tfds.features.FeaturesDict(
        {
            "image": image,
            "label": tfds.features.ClassLabel(names=list(manifest.class_names)),
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
    written = sorted(set(epath.Path(directory).iterdir()) - before)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written}
