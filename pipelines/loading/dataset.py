"""The tf.data chain from shards to batches: `train_batches` and its twin `eval_batches`.

No function of the chains has Python's `if` or `for` depend on a tensor. So they are made without
AutoGraph, which would rewrite each of these functions at the start of every run, for seconds.
"""

import dataclasses
import os

import tensorflow as tf

from pipelines.loading.augmentation_stage import as_model_input, augmentation_stage
from pipelines.loading.decoding import decoded, decoded_anew, decoded_once
from pipelines.loading.options import InputOptions
from pipelines.loading.order import stored_order, windows_of
from pipelines.loading.part import Part, part_of
from pipelines.loading.plan import RunPlan, check_image_size, plan_run
from pipelines.loading.service import batches_from
from pipelines.loading.sharding import ALONE, Worker
from pipelines.runtime.files import is_remote
from pipelines.tfrecords.manifest import Manifest

_PREFETCHED_STEPS = 2


def train_batches(
    data_dir: str | os.PathLike[str],
    manifest: Manifest,
    options: InputOptions,
    *,
    epochs: int,
    seed: int,
    start_step: int = 0,
    worker: Worker = ALONE,
) -> tf.data.Dataset:
    """All training batches of a run, epoch after epoch, in one data set.

    The order of the examples is a function of (data set, shuffle buffer, seed, epoch), and the
    augmentation of an example one of (seed, epoch, position): neither depends on readers, threads,
    replicas, workers by example, the cache, or on where a run was resumed. `start_step` continues
    as if the steps before it had been taken; what it skips is not decoded.

    Args:
        data_dir: The directory of the shards.
        manifest: What is in them.
        options: How the batches are made.
        epochs: Epochs of the whole run, counted from step 0.
        seed: The run's seed, at least 0.
        start_step: The first step to deliver, 0 or more.
        worker: Whose share of each global batch it is; all of it unless given.

    Returns:
        For each step `options.parts` pairs (images, labels): float32 (b, image_size, image_size, 3)
        in [0, 1], or with the channels first; and int64 (b,), or float32 (b, classes) where
        examples are mixed; b is the worker's share of the batch over `parts`. With
        `augment_on="device"` triples (images, labels, draws): uint8 images (b, image_size,
        image_size, 3), int64 labels, and the draws that `pipelines.augmentation` takes.

    Raises:
        InputError: for a set that is not sound, or that these options do not fit, or for a data
            service that does not answer.
    """
    if options.services and not is_remote(data_dir):
        data_dir = os.path.abspath(data_dir)  # They may run in another working directory.
    plan = plan_run(
        data_dir,
        manifest,
        options,
        epochs=epochs,
        seed=seed,
        start_step=start_step,
        worker=worker,
    )
    steps = range(start_step, start_step + plan.num_steps)
    if options.services:
        batches = batches_from(
            options.services,
            lambda stream: _chain(dataclasses.replace(plan, stream=stream)),
            steps,
            options.parts,
        ).with_options(fixed_parallelism())
    else:
        batches = _chain(plan)
    return batches.apply(tf.data.experimental.assert_cardinality(len(steps) * options.parts))


def eval_batches(
    data_dir: str | os.PathLike[str],
    manifest: Manifest,
    split: str,
    options: InputOptions,
    worker: Worker = ALONE,
) -> tf.data.Dataset:
    """All examples of a split once, in the order of the shards, not augmented.

    The last batch is filled up with black images of weight 0, so that all batches are full, no
    replica sees an empty one, and every example counts exactly once.

    Args:
        data_dir: The directory of the shards.
        manifest: What is in them.
        split: "train", "validation" or "test".
        options: How the batches are made; what concerns augmentation and order is not used.
        worker: Whose share of each global batch it is, always by example.

    Returns:
        A data set of (images, labels, weights): float32 (b, image_size, image_size, 3) in [0, 1],
        or with the channels first; int64 (b,); and float32 (b,), 1 for examples, 0 for padding; b
        as for training.
    """
    check_image_size(manifest, options.image_size)
    worker = dataclasses.replace(worker, shard_by="example")
    return _eval_chain(part_of(data_dir, manifest, split, worker), options, worker)


@tf.autograph.experimental.do_not_convert
def _eval_chain(part: Part, options: InputOptions, worker: Worker) -> tf.data.Dataset:
    batch_size = worker.share(options.batch_size) // options.parts
    order = stored_order(part.blocks, options.shuffle_buffer)
    windows = windows_of(order, part.blocks, 0).map(
        lambda window: worker.take(window, options.batch_size)
    )
    examples = decoded(windows, part, options, batch_size, drop_remainder=False)
    count = -(-part.num_examples // options.batch_size) * options.parts
    padded = _padded(examples, batch_size, count)
    return (
        (padded.cache() if options.cache == "memory" else padded)
        .map(
            lambda images, labels, weights: (as_model_input(images, options), labels, weights),
            num_parallel_calls=options.threads,
            deterministic=True,
        )
        .prefetch(_PREFETCHED_STEPS * options.parts)
        .with_options(fixed_parallelism())
    )


@tf.autograph.experimental.do_not_convert
def _chain(plan: RunPlan) -> tf.data.Dataset:
    """What `plan` visits, from the shards to batches; here, or in a data service."""
    options = plan.options
    # Decoding is the same in every epoch, so it comes before the cache; all that is random comes
    # after it.
    batches = decoded_once(plan) if options.cache == "memory" else decoded_anew(plan)
    return (
        batches
        # A batch at a time: one call serves the batch.
        .map(augmentation_stage(plan), num_parallel_calls=options.threads, deterministic=True)
        .prefetch(_PREFETCHED_STEPS * options.parts)
        .with_options(fixed_parallelism())
    )


def _padded(batches: tf.data.Dataset, batch_size: int, count: int) -> tf.data.Dataset:
    """Fills up the last batch, and appends empty ones until there are `count`, with weights."""

    def fill(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        images, labels = batch["image"], batch["label"]
        missing = [[0, batch_size - tf.size(labels)]]
        weights = tf.pad(tf.ones_like(labels, tf.float32), missing)
        images = tf.pad(images, [*missing, [0, 0], [0, 0], [0, 0]])
        return (
            tf.ensure_shape(images, [batch_size, *images.shape[1:]]),
            tf.ensure_shape(tf.pad(labels, missing), [batch_size]),
            tf.ensure_shape(weights, [batch_size]),
        )

    filled = batches.map(fill)
    empty = tf.nest.map_structure(
        lambda spec: tf.zeros(spec.shape, spec.dtype), filled.element_spec
    )
    endless = filled.concatenate(tf.data.Dataset.from_tensors(empty).repeat())
    return endless.take(count).apply(tf.data.experimental.assert_cardinality(count))


def fixed_parallelism() -> tf.data.Options:
    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    options.experimental_warm_start = True  # reading begins with the iterator, not the first batch
    return options
