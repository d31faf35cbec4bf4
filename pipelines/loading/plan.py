"""What a run visits, epoch after epoch: the plan that the chain carries out."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pipelines.loading.balance import balanced_repeats, balanced_visits
from pipelines.loading.options import InputOptions
from pipelines.loading.order import Window, shuffled_order, stored_order, windows_of
from pipelines.loading.part import Part, part_of
from pipelines.loading.sharding import ALONE, Worker
from pipelines.runtime.errors import InputError
from pipelines.tfrecords.manifest import Manifest


@dataclasses.dataclass(frozen=True)
class RunPlan:
    """The visits of a run that are still to come, and are this worker's.

    Attributes:
        part: What the worker reads.
        class_counts: Examples of each class in the split.
        options: `batch_size`, `shuffle_buffer` and `oversample` are used.
        worker: Whose share of each global batch it is.
        seed: The run's.
        epochs: Of the whole run.
        steps_per_epoch: Global batches in each.
        start_step: The first step that is wanted, counted from the start of the run.
        stream: Of the wanted steps every `streams`-th, for as many streams that are put together
            again: (0, streams) to (streams - 1, streams).
    """

    part: Part
    class_counts: Sequence[int]
    options: InputOptions
    worker: Worker
    seed: int
    epochs: int
    steps_per_epoch: int
    start_step: int = 0
    stream: tuple[int, int] = (0, 1)

    @property
    def first_epoch(self) -> int:
        return self.start_step // self.steps_per_epoch

    @property
    def batch_size(self) -> int:
        """Examples in a batch as it is delivered: the worker's share, divided among replicas."""
        return self.worker.share(self.options.batch_size) // self.options.parts

    @property
    def visits_per_epoch(self) -> int:
        """Examples in all global batches of an epoch."""
        return self.steps_per_epoch * self.options.batch_size

    @property
    def num_steps(self) -> int:
        """Steps from `start_step` to the end of the run."""
        return self.epochs * self.steps_per_epoch - self.start_step

    def windows(self, first_epoch: int, stop_epoch: int) -> tf.data.Dataset:
        """The windows of some epochs, with the visits that are wanted, as `Window`s."""
        return tf.data.Dataset.range(first_epoch, stop_epoch).flat_map(self._windows_of_epoch)

    def unvisited(self, windows: tf.data.Dataset) -> tf.data.Dataset:
        """Windows, in stored order, of what the given ones do not visit.

        Of an epoch that are the examples before `start_step`, those of other workers, and the
        dropped remainder.
        """
        unvisited = np.ones(self.part.num_examples, bool)
        for window in windows:
            unvisited[window.records.numpy()] = False
        blocks = self.part.blocks
        order = stored_order(blocks, self.options.shuffle_buffer)
        return windows_of(order, blocks, self.first_epoch).map(
            lambda window: window.visiting(tf.gather(unvisited, window.records))
        )

    def _windows_of_epoch(self, epoch: tf.Tensor) -> tf.data.Dataset:
        blocks, options = self.part.blocks, self.options
        repeats = (
            balanced_repeats(self.part.labels, self.class_counts) if options.oversample else None
        )
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
        visits = balanced_visits(split.class_counts) if options.oversample else split.num_examples
        steps = visits // options.batch_size
    if not steps:
        raise InputError(
            f"received a batch size of {options.batch_size}, expected at most the "
            f"{split.num_examples} training examples of {manifest.name!r}; choose a smaller "
            "--batch_size."
        )
    return steps


def check_image_size(manifest: Manifest, image_size: int) -> None:
    """Checks that the set's images can be had at `image_size`; encoded ones can at any.

    Raises:
        InputError: if the set holds pixels of another size.
    """
    if manifest.encoding == "raw" and manifest.image_shape[:2] != (image_size, image_size):
        raise InputError(
            f"received an image size of {image_size} for {manifest.name!r}, which holds pixels of "
            f"{manifest.image_shape[0]}x{manifest.image_shape[1]}, expected the same; pass "
            f"--image_size={manifest.image_shape[0]}, or make the set again with "
            f"--encoding=raw --image_size={image_size}."
        )


def plan_run(
    data_dir: str | os.PathLike[str],
    manifest: Manifest,
    options: InputOptions,
    *,
    epochs: int,
    seed: int,
    start_step: int = 0,
    worker: Worker = ALONE,
) -> RunPlan:
    """What `train_batches`, with the same arguments, will visit."""
    check_image_size(manifest, options.image_size)
    steps = steps_per_epoch(manifest, options, worker)
    if not 0 <= start_step <= epochs * steps:
        raise InputError(
            f"received start_step={start_step} for {epochs} epochs of {steps} steps, expected 0 to "
            f"{epochs * steps}, after which nothing is left."
        )
    return RunPlan(
        part=part_of(data_dir, manifest, "train", worker),
        class_counts=manifest.splits["train"].class_counts,
        options=options,
        worker=worker,
        seed=seed,
        epochs=epochs,
        steps_per_epoch=steps,
        start_step=start_step,
    )
