"""The tf.data chain from shards to batches: `train_batches`, and `eval_batches` its twin.

    windows      which blocks are read together, and what is visited of them     loading/plan.py
    read         the blocks, from any place of a shard                           _read
    rebatch      windows become batches
    decode       a batch at a time, to uint8 of the model's size                 loading/decode.py
    (cache       decoded images in memory, from the second epoch on)             MemoryCache
    augment      a batch at a time, to float32 in [0, 1]                         augmentation/
    prefetch     two steps ahead of the device

No function of the chains has Python's `if` or `for` depend on a tensor. So they are made without
AutoGraph, which would rewrite each of these functions at the start of every run, for seconds.
"""

import dataclasses
import os
from collections.abc import Callable

import tensorflow as tf

from pipelines.augmentation.augment import compiled_augment
from pipelines.augmentation.rng import draws_at, epoch_key, neutral
from pipelines.loading.cache import MemoryCache
from pipelines.loading.decode import decode_batch, pixels_to_images
from pipelines.loading.options import InputOptions
from pipelines.loading.order import BLOCK_RECORDS, Window, stored_order, windows_of
from pipelines.loading.plan import (
    ALONE,
    RunPlan,
    Worker,
    WorkerData,
    check_image_size,
    plan_run,
    worker_data,
)
from pipelines.loading.service import batches_from
from pipelines.runtime.files import is_remote
from pipelines.tfrecords.manifest import ShardedDataset
from pipelines.tfrecords.record import parse_spec

__all__ = ["eval_batches", "train_batches"]

Batch = dict[str, tf.Tensor]

_PREFETCHED_STEPS = 2
_VISITS_AHEAD = 1000  # batches, of which only the visits wait: their images are in the cache


def train_batches(
    dataset: ShardedDataset,
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
        epochs: Epochs of the whole run, counted from step 0.
        seed: The run's seed, at least 0.
        start_step: The first step to deliver, 0 or more.
        worker: Whose share of each global batch it is; all of it unless given.

    Returns:
        For each step `options.replicas` pairs (images, labels): float32 (b, image_size,
        image_size, 3) in [0, 1], or with the channels first; and int64 (b,), or float32 (b,
        classes) where examples are mixed; b is the worker's share of the batch over `replicas`.
        With `augment_on="device"` triples (images, labels, draws): uint8 images (b, image_size,
        image_size, 3), int64 labels, and the draws that `pipelines.augmentation` takes.

    Raises:
        InputError: for a set that is not sound, or that these options do not fit, or for a data
            service that does not answer.
    """
    if options.services and not is_remote(dataset.directory):
        # They may run in another working directory.
        dataset = dataclasses.replace(dataset, directory=os.path.abspath(dataset.directory))
    plan = plan_run(
        dataset, options, epochs=epochs, seed=seed, start_step=start_step, worker=worker
    )
    steps = range(start_step, epochs * plan.steps_per_epoch)
    if options.services:
        batches = batches_from(
            options.services,
            lambda stream: _train_chain(dataclasses.replace(plan, stream=stream)),
            steps,
            options.replicas,
        ).with_options(fixed_parallelism())
    else:
        batches = _train_chain(plan)
    return batches.apply(tf.data.experimental.assert_cardinality(len(steps) * options.replicas))


def eval_batches(
    dataset: ShardedDataset, split: str, options: InputOptions, worker: Worker = ALONE
) -> tf.data.Dataset:
    """All examples of a split once, in the order of the shards, not augmented.

    The last batch is filled up with black images of weight 0, so that all batches are full, no
    replica sees an empty one, and every example counts exactly once.

    Args:
        split: "train", "validation" or "test".
        options: What concerns augmentation and order is not used.
        worker: Whose share of each global batch it is, always by example.

    Returns:
        A data set of (images, labels, weights): float32 (b, image_size, image_size, 3) in [0, 1],
        or with the channels first; int64 (b,); and float32 (b,), 1 for examples, 0 for padding; b
        as for training.
    """
    check_image_size(dataset.manifest, options.image_size)
    worker = dataclasses.replace(worker, shard_by="example")
    return _eval_chain(worker_data(dataset, split, worker), options, worker)


@tf.autograph.experimental.do_not_convert
def _train_chain(plan: RunPlan) -> tf.data.Dataset:
    """What `plan` visits, from the shards to batches; here, or in a data service."""
    options = plan.options
    # Decoding is the same in every epoch, so it comes before the cache; all that is random comes
    # after it.
    batches = decoded_once(plan) if options.cache == "memory" else decoded_anew(plan)
    return (
        batches
        # After batching: one call of a compiled function serves all images of a batch.
        .map(augmentation_stage(plan), num_parallel_calls=options.threads, deterministic=True)
        # Last, so that whole batches wait: the device never waits for one that could be ready.
        .prefetch(_PREFETCHED_STEPS * options.replicas)
        .with_options(fixed_parallelism())
    )


@tf.autograph.experimental.do_not_convert
def _eval_chain(data: WorkerData, options: InputOptions, worker: Worker) -> tf.data.Dataset:
    batch_size = worker.share(options.batch_size) // options.replicas
    order = stored_order(data.blocks, options.shuffle_buffer)
    windows = windows_of(order, data.blocks, 0).map(
        lambda window: worker.take(window, options.batch_size)
    )
    examples = decoded(windows, data, options, batch_size, drop_remainder=False)
    count = -(-len(data.labels) // options.batch_size) * options.replicas
    padded = _padded(examples, batch_size, count)
    return (
        # An evaluation is always read from its beginning to its end, as `Dataset.cache` needs it.
        # Cached as uint8, a quarter of the memory of what the model takes.
        (padded.cache() if options.cache == "memory" else padded)
        .map(
            lambda images, labels, weights: (_as_model_input(images, options), labels, weights),
            num_parallel_calls=options.threads,
            deterministic=True,
        )
        .prefetch(_PREFETCHED_STEPS * options.replicas)
        .with_options(fixed_parallelism())
    )


def fixed_parallelism() -> tf.data.Options:
    """Options of all chains: no autotuner, since dropping an iterator can block on its thread."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    options.experimental_warm_start = True  # reading begins with the iterator, not the first batch
    return options


# Read and decode.


def decoded(
    windows: tf.data.Dataset,
    data: WorkerData,
    options: InputOptions,
    batch_size: int,
    *,
    drop_remainder: bool = True,
) -> tf.data.Dataset:
    """Reads and decodes what the windows visit.

    Returns:
        A data set of dictionaries of 'image', uint8 (batch, image_size, image_size, 3), and
        'label', 'record', 'position' and 'epoch', int64 (batch,). Reading it fails with
        `tf.errors.InvalidArgumentError` or `DataLossError` where a shard is damaged.
    """
    return (
        # A window at a time: its records are parsed in one call, and visited in any order.
        read_windows(windows, data, options.readers)
        # One window is read while another is decoded.
        .prefetch(1)
        # From windows, of any size, to batches, whatever the edges of the windows are.
        .rebatch(batch_size, drop_remainder=drop_remainder)
        .map(decoding_stage(data, options), num_parallel_calls=options.threads, deterministic=True)
    )


def read_windows(windows: tf.data.Dataset, data: WorkerData, readers: int) -> tf.data.Dataset:
    """What each window visits, as `parse_visited` gives it; a window without visits is not read."""
    read = block_reader(data, readers)
    return windows.filter(lambda window: tf.size(window.positions) > 0).map(
        lambda window: parse_visited(read(window), window)
    )


def block_reader(data: WorkerData, readers: int) -> Callable[[Window], tf.Tensor]:
    """A function from a window to all records of its blocks, string (n,), in order.

    `readers` blocks are read at the same time.
    """
    blocks, names = data.blocks, tf.constant(list(data.paths))

    def read_block(block: tf.Tensor) -> tf.data.Dataset:
        # Python's TFRecordDataset begins at the start of a file; the op beneath it need not. Its
        # buffer is the block: nothing behind it is read.
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=tf.gather(names, tf.gather(blocks.shard, block))[tf.newaxis],
            compression_type="",
            buffer_size=tf.gather(blocks.num_bytes, block),
            byte_offsets=tf.gather(blocks.offset, block)[tf.newaxis],
        )
        records = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
        return records.take(tf.gather(blocks.num_records, block))

    def read(window: Window) -> tf.Tensor:
        expected = tf.reduce_sum(tf.gather(blocks.num_records, window.blocks))
        records = tf.data.Dataset.from_tensor_slices(window.blocks).interleave(
            read_block,
            cycle_length=readers,
            # One more than a block has: each is read to its end in its turn, so that the records
            # come in the order of the blocks.
            block_length=BLOCK_RECORDS + 1,
            num_parallel_calls=readers,
            deterministic=True,
        )
        serialized = records.batch(expected).get_single_element()
        # A shard that is cut between two records gives no error by itself, only fewer of them.
        tf.debugging.assert_equal(
            tf.size(serialized, tf.int64), expected, "a shard ends before its last record"
        )
        return serialized

    return read


def parse_visited(serialized: tf.Tensor, window: Window) -> Batch:
    """Parses what a window visits, in the order of the positions.

    `serialized`, string (n,), are the records of the window's blocks.

    Returns:
        Tensors of shape (v,): 'image', string as it is stored, and 'label', 'record', 'position'
        and 'epoch', int64.
    """
    # All at once: a call for each would take a tenth of the time of decoding.
    features = tf.io.parse_example(tf.gather(serialized, window.rows), parse_spec())
    return {"image": features["image"], "label": features["label"], **visits_of(window)}


def visits_of(window: Window) -> Batch:
    """What of a window is known without reading it."""
    return {"record": window.records, "position": window.positions, "epoch": window.epochs}


def decoding_stage(data: WorkerData, options: InputOptions) -> Callable[[Batch], Batch]:
    """A function from batches of examples as they are stored to decoded ones."""

    def decode(batch: Batch) -> Batch:
        if data.encoding == "raw":
            images = pixels_to_images(batch["image"], options.image_size)
        else:
            images = decode_batch(batch["image"], options.image_size, options.decode_ratio)
        return {**batch, "image": images}

    return decode


# Decode in every epoch, or only once.


def decoded_anew(plan: RunPlan) -> tf.data.Dataset:
    """All that the plan visits, decoded at every visit."""
    windows = plan.windows(plan.first_epoch, plan.epochs)
    return decoded(windows, plan.data, plan.options, plan.batch_size)


def decoded_once(plan: RunPlan) -> tf.data.Dataset:
    """All that the plan visits; each image is decoded once, and had from memory at every visit.

    Images are decoded in the order of the first epoch, so that the first batch need not wait for
    the last image, and at once, whether they are asked for yet or not: there is room for all.
    What the first epoch does not visit is decoded at its end.
    """
    first, second = plan.first_epoch, plan.first_epoch + 1
    if second >= plan.epochs:  # nothing will be visited again
        return decoded_anew(plan)
    data, options, batch_size = plan.data, plan.options, plan.batch_size
    memory = MemoryCache(len(data.labels), options.image_size)

    def keep(batch: Batch) -> Batch:
        visits = {name: batch[name] for name in ("record", "position", "epoch")}
        return {**visits, "record": memory.put(batch["record"], batch["image"])}

    def recall(visits: Batch) -> Batch:
        # All batches that come here are full. Those filtered out below need not have been.
        records = tf.ensure_shape(visits["record"], [batch_size])
        return {**visits, "image": memory.get(records), "label": tf.gather(data.labels, records)}

    windows = plan.windows(first, second)
    others = plan.unvisited(windows)
    visited = decoded(windows, data, options, batch_size).map(keep).prefetch(_VISITS_AHEAD)
    unvisited = decoded(others, data, options, batch_size, drop_remainder=False).map(keep)
    later = plan.windows(second, plan.epochs).map(visits_of)
    return (
        # Going through the unvisited fills the cache; none of them is handed on.
        visited.concatenate(unvisited.filter(lambda batch: False))
        .concatenate(later.rebatch(batch_size, drop_remainder=True))
        .map(recall, num_parallel_calls=options.threads, deterministic=True)
    )


# Augment, or only scale; pad.


def augmentation_stage(plan: RunPlan) -> Callable[[Batch], tuple]:
    """The last stage of training: from decoded batches to what the model, or the device, takes."""
    options = plan.options
    unwarped_from = plan.epochs - options.unwarped_epochs
    augmentation = options.augmentation
    if augmentation is None:
        return lambda batch: (_as_model_input(batch["image"], options), batch["label"])
    compiled = compiled_augment(augmentation, len(plan.class_counts))

    def finish(batch: Batch) -> tuple:
        images, labels = batch["image"], batch["label"]
        epoch = batch["epoch"][0]
        # The positions of a batch are consecutive, so the first one names all of its draws. They
        # are made here, since XLA would put a generator of its own in the place of TensorFlow's.
        draws = draws_at(epoch_key(plan.seed, epoch), batch["position"][0], images.shape[0])
        draws = tf.where(epoch < unwarped_from, draws, neutral(draws))
        if options.augment_on == "device":
            return images, labels, draws
        images, labels = compiled(images, labels, draws)
        return _in_data_format(images, options), labels

    return finish


def _as_model_input(images: tf.Tensor, options: InputOptions) -> tf.Tensor:
    return _in_data_format(tf.cast(images, tf.float32) / 255.0, options)


def _in_data_format(images: tf.Tensor, options: InputOptions) -> tf.Tensor:
    return tf.transpose(images, [0, 3, 1, 2]) if options.channels_first else images


def _padded(batches: tf.data.Dataset, batch_size: int, count: int) -> tf.data.Dataset:
    """Fills up the last batch, and appends empty ones until there are `count`, with weights."""
    weighted = batches.map(
        lambda batch: (batch["image"], batch["label"], tf.ones_like(batch["label"], tf.float32))
    )
    empty = tf.nest.map_structure(
        lambda spec: tf.zeros([batch_size, *spec.shape[1:]], spec.dtype), weighted.element_spec
    )
    endless = weighted.concatenate(tf.data.Dataset.from_tensors(empty).repeat())
    full = endless.rebatch(batch_size, drop_remainder=True)
    return full.take(count).apply(tf.data.experimental.assert_cardinality(count))
