"""What a run visits, and which worker reads what: the plan that the tf.data chain carries out."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pipelines.loading.options import SHARD_BY, InputOptions
from pipelines.loading.order import (
    Blocks,
    Window,
    oversampled_repeats,
    plan_blocks,
    shuffled_order,
    stored_order,
    windows_of,
)
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.index import load_index
from pipelines.tfrecords.manifest import Manifest, Shard, ShardedDataset

__all__ = ["Worker", "steps_per_epoch"]


@dataclasses.dataclass(frozen=True)
class Worker:
    """One of the processes among which every global batch is divided.

    Raises:
        InputError: when made with values that cannot be.
    """

    index: int = 0  # which one, from 0
    count: int = 1  # how many there are
    # 'example': all read all shards, and each decodes its share of every batch; the global batches
    # are those of a single worker. 'file': each reads its own shards only, and draws its share of
    # every batch from them.
    shard_by: str = "example"

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise InputError(
                f"received worker {self.index} of {self.count}, expected 0 to {self.count - 1}."
            )
        if self.shard_by not in SHARD_BY:
            raise InputError(
                f"received shard_by={self.shard_by!r}, expected {' or '.join(SHARD_BY)}."
            )

    def share(self, batch_size: int) -> int:
        """Examples of a global batch that are this worker's.

        Raises:
            InputError: if the batch does not divide by the number of workers.
        """
        if batch_size % self.count:
            raise InputError(
                f"received a batch size of {batch_size} for {self.count} workers, expected a "
                f"multiple of {self.count}; choose another --batch_size."
            )
        return batch_size // self.count

    def shards(self, shards: tuple[Shard, ...]) -> tuple[Shard, ...]:
        """The shards that this worker reads.

        Raises:
            InputError: if by file and the shards do not divide by the number of workers, so that
                some would have to leave out what others have too much.
        """
        if self.shard_by == "example":
            return shards
        if len(shards) % self.count:
            raise InputError(
                f"received {len(shards)} shards for {self.count} workers that read files of their "
                f"own, expected a multiple of {self.count}; shard by example, or make the set "
                f"again with --shards={-(-len(shards) // self.count) * self.count}."
            )
        return shards[self.index :: self.count]

    def fewest_examples(self, shards: tuple[Shard, ...]) -> int:
        """Examples in the shards of the worker that has the fewest, by file."""
        workers = (dataclasses.replace(self, index=index) for index in range(self.count))
        return min(sum(shard.num_examples for shard in worker.shards(shards)) for worker in workers)

    def take(self, window: Window, batch_size: int) -> Window:
        """What this worker takes of a window of its shards, at positions in the global epoch."""
        share = self.share(batch_size)
        positions = window.positions
        if self.shard_by == "example":
            return window.visiting(positions % batch_size // share == self.index)
        # Its own epoch, laid into its places of the global batches.
        step, place = positions // share, positions % share
        return window._replace(positions=step * batch_size + self.index * share + place)


ALONE = Worker()


@dataclasses.dataclass(frozen=True)
class WorkerData:
    """What one worker reads of a split."""

    paths: tuple[str, ...]  # the shards'
    blocks: Blocks  # of these shards
    labels: np.ndarray  # int64 (records,), of their records in order
    encoding: str  # what the records hold, one of `pipelines.tfrecords.manifest.ENCODINGS`


def worker_data(dataset: ShardedDataset, split: str, worker: Worker) -> WorkerData:
    """What `worker` reads of a split.

    Raises:
        InputError: for a set without a sound index, or whose shards the workers cannot divide.
    """
    every = dataset.manifest.splits[split].shards
    mine = worker.shards(every)
    index = load_index(dataset, split)
    own = np.repeat([shard in mine for shard in every], [shard.num_examples for shard in every])
    return WorkerData(
        paths=tuple(dataset.path(shard.name) for shard in mine),
        blocks=plan_blocks(mine, index.offsets[own]),
        labels=index.labels[own],
        encoding=dataset.manifest.encoding,
    )


@dataclasses.dataclass(frozen=True)
class RunPlan:
    """The visits of a run that are still to come, and are this worker's."""

    data: WorkerData
    class_counts: Sequence[int]  # examples of each class in the split
    options: InputOptions  # `batch_size`, `shuffle_buffer` and `oversample` are used
    worker: Worker  # whose share of each global batch it is
    seed: int  # the run's
    epochs: int  # of the whole run
    steps_per_epoch: int  # global batches in each
    start_step: int = 0  # the first step that is wanted, counted from the start of the run
    # Of the wanted steps every `streams`-th, for as many streams that are put together again: (0,
    # streams) to (streams - 1, streams).
    stream: tuple[int, int] = (0, 1)

    @property
    def first_epoch(self) -> int:
        return self.start_step // self.steps_per_epoch

    @property
    def batch_size(self) -> int:
        """Examples in a batch as it is delivered: the worker's share, divided among replicas."""
        return self.worker.share(self.options.batch_size) // self.options.replicas

    def windows(self, first_epoch: int, stop_epoch: int) -> tf.data.Dataset:
        """The windows of some epochs, with the visits that are wanted, as `Window`s."""
        return tf.data.Dataset.range(first_epoch, stop_epoch).flat_map(self._windows_of_epoch)

    def unvisited(self, windows: tf.data.Dataset) -> tf.data.Dataset:
        """Windows, in stored order, of what the given ones do not visit.

        Of an epoch that are the examples before `start_step`, those of other workers, and the
        dropped remainder.
        """
        unvisited = np.ones(len(self.data.labels), bool)
        for window in windows:
            unvisited[window.records.numpy()] = False
        blocks = self.data.blocks
        order = stored_order(blocks, self.options.shuffle_buffer)
        return windows_of(order, blocks, self.first_epoch).map(
            lambda window: window.visiting(tf.gather(unvisited, window.records))
        )

    def _windows_of_epoch(self, epoch: tf.Tensor) -> tf.data.Dataset:
        blocks, options = self.data.blocks, self.options
        repeats = None
        if options.oversample:
            repeats = oversampled_repeats(self.data.labels, self.class_counts)
        order = shuffled_order(blocks, options.shuffle_buffer, self.seed, epoch, repeats)
        return windows_of(order, blocks, epoch).map(self._wanted)

    def _wanted(self, window: Window) -> Window:
        window = self.worker.take(window, self.options.batch_size)
        step_of_epoch = window.positions // self.options.batch_size
        step = window.epochs * self.steps_per_epoch + step_of_epoch
        number, streams = self.stream
        return window.visiting(
            (step >= self.start_step)
            & (step_of_epoch < self.steps_per_epoch)
            & (step % streams == number)
        )


def plan_run(
    dataset: ShardedDataset,
    options: InputOptions,
    *,
    epochs: int,
    seed: int,
    start_step: int = 0,
    worker: Worker = ALONE,
) -> RunPlan:
    """Plans what `train_batches`, with the same arguments, will visit."""
    check_image_size(dataset.manifest, options.image_size)
    steps = steps_per_epoch(dataset.manifest, options, worker)
    if not 0 <= start_step <= epochs * steps:
        raise InputError(
            f"received start_step={start_step} for {epochs} epochs of {steps} steps, expected 0 to "
            f"{epochs * steps}, after which nothing is left."
        )
    return RunPlan(
        data=worker_data(dataset, "train", worker),
        class_counts=dataset.manifest.splits["train"].class_counts,
        options=options,
        worker=worker,
        seed=seed,
        epochs=epochs,
        steps_per_epoch=steps,
        start_step=start_step,
    )


def steps_per_epoch(manifest: Manifest, options: InputOptions, worker: Worker = ALONE) -> int:
    """Full global batches in an epoch; the remainder is dropped, another one each epoch.

    Raises:
        InputError: if the split is smaller than one batch, or the workers cannot divide it.
    """
    split = manifest.splits["train"]
    share = worker.share(options.batch_size)
    if worker.shard_by == "file":
        steps = worker.fewest_examples(split.shards) // share
    else:
        counts = split.class_counts
        # With oversampling every class comes as often as the largest.
        visits = len(counts) * max(counts) if options.oversample else split.num_examples
        steps = visits // options.batch_size
    if not steps:
        raise InputError(
            f"received a batch size of {options.batch_size}, expected at most the "
            f"{split.num_examples} training examples of {manifest.name!r}; choose a smaller "
            "--batch_size."
        )
    return steps


def check_image_size(manifest: Manifest, image_size: int) -> None:
    """Raises an InputError for a set of pixels of another size; encoded images fit any size."""
    if manifest.encoding == "raw" and manifest.image_shape[:2] != (image_size, image_size):
        raise InputError(
            f"received an image size of {image_size} for {manifest.name!r}, which holds pixels of "
            f"{manifest.image_shape[0]}x{manifest.image_shape[1]}, expected the same; pass "
            f"--image_size={manifest.image_shape[0]}, or make the set again with "
            f"--encoding=raw --image_size={image_size}."
        )
