"""The tf.data chain from shards to batches: `train_batches` and its twin `eval_batches`."""

import dataclasses
import os

import tensorflow as tf
from etils import epath

from pipelines.augment import (
    DRAWS_PER_EXAMPLE,
    WarpRanges,
    warp,
    warp_parameters,
    without_warp,
)
from pipelines.decode import CHANNELS, decode_and_resize, pixels_to_image
from pipelines.errors import InputError
from pipelines.example import parse_example
from pipelines.manifest import Manifest

# Shards read in turn, one record each. It is part of the order of the examples, so it is a
# constant: the number of reader threads may change, the order may not.
INTERLEAVED_SHARDS = 16


@dataclasses.dataclass(frozen=True)
class InputOptions:
    """How batches are made. `cache` and `threads` decide how fast, the others what is in them.

    Attributes:
        image_size: Height and width of the images in pixels.
        batch_size: Examples in a batch, over all replicas.
        augmentation: Limits of the random warp, or None to train on the images as they are.
        unwarped_epochs: The last epochs of a run in which images are only mirrored: the weights
            settle on images as evaluation shows them.
        shuffle_buffer: Examples among which the next one is drawn. A buffer that holds the whole
            split shuffles perfectly; it holds decoded images, 27 kB each at 96x96.
        channels_first: Whether images come as (batch, 3, height, width).
        cache: Whether decoded images stay in memory after the first epoch.
        threads: Parallel calls of each stage. Fixed, never AUTOTUNE: dropping an iterator can
            block for up to a minute on the autotuner's thread.
    """

    image_size: int = 96
    batch_size: int = 32
    augmentation: WarpRanges | None = dataclasses.field(default_factory=WarpRanges)
    unwarped_epochs: int = 0
    shuffle_buffer: int = 16384
    channels_first: bool = False
    cache: bool = True
    threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)


def steps_per_epoch(manifest: Manifest, options: InputOptions) -> int:
    """Full batches in the training split; the remainder is dropped, another one each epoch.

    Raises:
        InputError: if the split is smaller than one batch.
    """
    num_examples = manifest.splits["train"].num_examples
    if num_examples < options.batch_size:
        raise InputError(
            f"received a batch size of {options.batch_size}, expected at most the {num_examples} "
            f"training examples of {manifest.name!r}; choose a smaller --batch_size."
        )
    return num_examples // options.batch_size


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


def train_batches(
    data_dir: str | os.PathLike[str],
    manifest: Manifest,
    options: InputOptions,
    *,
    epochs: int,
    seed: int,
    start_step: int = 0,
) -> tf.data.Dataset:
    """All training batches of a run, epoch after epoch, in one data set.

    The order of the examples is a function of (data set, seed, epoch), and the augmentation of
    an example one of (seed, epoch, position): neither depends on threads, replicas, the cache,
    TensorFlow's global seed, or on where a run was resumed. `start_step` continues as if the
    steps before it had been taken, without augmenting what it skips.

    Args:
        data_dir: The directory of the shards.
        manifest: What is in them.
        options: How the batches are made.
        epochs: Epochs of the whole run, counted from step 0.
        seed: The run's seed.
        start_step: The first step to deliver, 0 or more.

    Returns:
        A data set of `epochs * steps_per_epoch(...) - start_step` pairs (images, labels): float32
        (batch_size, image_size, image_size, 3), or with the channels first, in [0, 1], and int64
        (batch_size,).

    Raises:
        InputError: if the split is smaller than one batch.
    """
    num_examples = manifest.splits["train"].num_examples
    first_epoch, first_step = divmod(start_step, steps_per_epoch(manifest, options))
    # Decoding is the same in every epoch, so it comes before the cache; all that is random
    # comes after it.
    decoded = _decoded(data_dir, manifest, "train", options)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        # Sets the seed of this function's graph alone. `shuffle` mixes the graph's seed with its
        # own, and would otherwise take in whatever the program has set globally. (Not 0, with
        # which it compares its own seed, a tensor, in Python.)
        tf.random.set_seed(1)
        seeds = tf.random.stateless_uniform(
            [3], seed=[seed, epoch], minval=None, maxval=None, dtype=tf.int64
        )
        shuffled = decoded.shuffle(
            min(options.shuffle_buffer, num_examples),
            seed=seeds[0],
            reshuffle_each_iteration=False,
        )
        # One row of draws for each position: whoever takes an example takes its row along.
        draws = tf.random.stateless_uniform([num_examples, DRAWS_PER_EXAMPLE], seed=seeds[1:])
        draws = tf.where(epoch < epochs - options.unwarped_epochs, draws, without_warp(draws))
        positioned = tf.data.Dataset.zip(shuffled, tf.data.Dataset.from_tensor_slices(draws))
        done = tf.where(epoch == first_epoch, first_step * options.batch_size, 0)
        return positioned.skip(tf.cast(done, tf.int64)).batch(
            options.batch_size, drop_remainder=True
        )

    def augment(example: tuple[tf.Tensor, tf.Tensor], draws: tf.Tensor) -> tuple:
        images, labels = example
        if options.augmentation is None:
            return _as_model_input(images, options), labels
        parameters = warp_parameters(draws, options.augmentation, options.image_size)
        return _as_model_input(warp(images, parameters), options), labels

    return (
        # One data set for the whole run: the next epoch's first batch is ready when the last
        # step of this one ends, and the iterator is made and dropped only once.
        tf.data.Dataset.range(first_epoch, epochs)
        .flat_map(one_epoch)
        # A batch at a time, since one call of the op serves the batch.
        .map(augment, num_parallel_calls=options.threads, deterministic=True)
        .prefetch(2)
        .with_options(_fixed_parallelism())
    )


def eval_batches(
    data_dir: str | os.PathLike[str], manifest: Manifest, split: str, options: InputOptions
) -> tf.data.Dataset:
    """All examples of a split once, in the order of the shards, not augmented.

    The last batch is filled up with black images of weight 0, so that all batches are full,
    no replica sees an empty one, and every example counts exactly once.

    Args:
        data_dir: The directory of the shards.
        manifest: What is in them.
        split: "train", "validation" or "test".
        options: How the batches are made; `augmentation` and `shuffle_buffer` are not used.

    Returns:
        A data set of (images, labels, weights): float32 (batch_size, image_size, image_size, 3)
        in [0, 1], int64 (batch_size,) and float32 (batch_size,), 1 for examples, 0 for padding.
    """
    missing = -manifest.splits[split].num_examples % options.batch_size
    decoded = _decoded(data_dir, manifest, split, options)
    examples = decoded.map(lambda image, label: (image, label, 1.0))
    blank = tf.zeros([options.image_size, options.image_size, CHANNELS], tf.uint8)
    padding = tf.data.Dataset.from_tensors((blank, tf.constant(0, tf.int64), 0.0)).repeat(missing)
    return (
        examples.concatenate(padding)
        .batch(options.batch_size, drop_remainder=True)
        .map(
            lambda images, labels, weights: (_as_model_input(images, options), labels, weights),
            num_parallel_calls=options.threads,
            deterministic=True,
        )
        .prefetch(2)
        .with_options(_fixed_parallelism())
    )


def _decoded(
    data_dir: str | os.PathLike[str], manifest: Manifest, split: str, options: InputOptions
) -> tf.data.Dataset:
    """(uint8 image of the model's size, label) of every example, always in the same order."""
    check_image_size(manifest, options.image_size)
    paths = [os.fspath(epath.Path(data_dir, shard.name)) for shard in manifest.splits[split].shards]
    interleaved = min(len(paths), INTERLEAVED_SHARDS)
    to_image = pixels_to_image if manifest.encoding == "raw" else decode_and_resize

    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = parse_example(record)
        return to_image(example["image"], options.image_size), example["label"]

    dataset = (
        tf.data.Dataset.from_tensor_slices(paths)
        .interleave(
            tf.data.TFRecordDataset,
            cycle_length=interleaved,
            num_parallel_calls=min(interleaved, options.threads),
            deterministic=True,
        )
        .map(decode, num_parallel_calls=options.threads, deterministic=True)
    )
    # uint8 of the model's size: the smallest form in which nothing is left to decode.
    return dataset.cache() if options.cache else dataset


def _as_model_input(images: tf.Tensor, options: InputOptions) -> tf.Tensor:
    scaled = tf.cast(images, tf.float32) / 255.0
    return tf.transpose(scaled, [0, 3, 1, 2]) if options.channels_first else scaled


def _fixed_parallelism() -> tf.data.Options:
    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    # The trainer hands out global batches; tf.distribute splits each over the replicas.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return options
