"""Reads some examples of a finished set by their numbers, and not those between them."""

import os
from collections.abc import Sequence

import numpy as np
from etils import epath

from pipelines.tfrecords.index import RecordIndex, load_index
from pipelines.tfrecords.manifest import Manifest
from pipelines.tfrecords.reader import StoredExample, read_example_at


def picked_examples(
    data_dir: str | os.PathLike[str],
    manifest: Manifest,
    split: str,
    numbers: Sequence[int],
    index: RecordIndex | None = None,
) -> list[StoredExample]:
    """The examples of a split with these numbers, in the order in which they are asked for.

    Args:
        data_dir: The directory of the shards.
        manifest: What is in them.
        split: One of `manifest.splits`.
        numbers: From 0, in stored order, which is that of `pipelines.loading.dataset.eval_batches`.
        index: The split's, if it has been loaded already.

    Raises:
        InputError: for a record that is damaged or cannot be read.
    """
    shards = manifest.splits[split].shards
    offsets = (index or load_index(data_dir, manifest, split)).offsets
    ends = np.cumsum([shard.num_examples for shard in shards])
    found: dict[int, StoredExample] = {}
    for number in sorted({int(number) for number in numbers}):
        place = int(np.searchsorted(ends, number, side="right"))
        shard = shards[place]
        record = number - int(ends[place]) + shard.num_examples
        path = epath.Path(data_dir, shard.name)
        found[number] = read_example_at(path, manifest, split, record, int(offsets[number]))
    return [found[int(number)] for number in numbers]
