"""The part of a split that one process reads: which files, in which blocks, with which labels."""

import dataclasses
import os

import numpy as np
from etils import epath

from pipelines.loading.order import Blocks, plan_blocks
from pipelines.loading.sharding import Worker
from pipelines.tfrecords.index import load_index
from pipelines.tfrecords.manifest import Manifest


@dataclasses.dataclass(frozen=True)
class Part:
    """What is read of a split.

    Attributes:
        paths: The shards'.
        blocks: Of these shards.
        labels: int64 (records,), of their records in order.
        encoding: What the records hold, one of `pipelines.tfrecords.manifest.ENCODINGS`.
    """

    paths: tuple[str, ...]
    blocks: Blocks
    labels: np.ndarray
    encoding: str

    @property
    def num_examples(self) -> int:
        return len(self.labels)


def part_of(
    data_dir: str | os.PathLike[str], manifest: Manifest, split: str, worker: Worker
) -> Part:
    """What `worker` reads of a split.

    Raises:
        InputError: for a set without a sound index, or whose shards the workers cannot divide.
    """
    every = manifest.splits[split].shards
    mine = worker.shards(every)
    index = load_index(data_dir, manifest, split)
    own = np.repeat([shard in mine for shard in every], [shard.num_examples for shard in every])
    return Part(
        paths=tuple(os.fspath(epath.Path(data_dir, shard.name)) for shard in mine),
        blocks=plan_blocks(mine, index.offsets[own]),
        labels=index.labels[own],
        encoding=manifest.encoding,
    )
