"""From the windows of a plan to decoded batches, decoded in every epoch or only once."""

from collections.abc import Callable

import tensorflow as tf

from pipelines.decode import decode_batch, pixels_to_images
from pipelines.input_options import InputOptions
from pipelines.memory_cache import MemoryCache
from pipelines.order import Window
from pipelines.part import Part
from pipelines.run_plan import RunPlan
from pipelines.windows import read_windows

Batch = dict[str, tf.Tensor]


def decoded(
    windows: tf.data.Dataset,
    part: Part,
    options: InputOptions,
    batch_size: int,
    *,
    drop_remainder: bool = True,
) -> tf.data.Dataset:
    """Reads and decodes what the windows visit.

    Args:
        windows: Of `Window`.
        part: What is read.
        options: `image_size`, `decode_ratio`, `threads` and `readers` are used.
        batch_size: Examples in a batch of the result.
        drop_remainder: Whether a last batch that is not full is left out.

    Returns:
        A data set of dictionaries of 'image', uint8 (batch, image_size, image_size, 3), and
        'label', 'record', 'position' and 'epoch', int64 (batch,).
    """
    return (
        read_windows(windows, part.blocks, part.paths, options.readers)
        # One window is read while another is decoded.
        .prefetch(1)
        .rebatch(batch_size, drop_remainder=drop_remainder)
        .map(decoding_stage(part, options), num_parallel_calls=options.threads, deterministic=True)
    )


def decoding_stage(part: Part, options: InputOptions) -> Callable[[Batch], Batch]:
    """A function from batches of examples as they are stored to decoded ones."""

    def decode(batch: Batch) -> Batch:
        if part.encoding == "raw":
            images = pixels_to_images(batch["image"], options.image_size)
        else:
            images = decode_batch(batch["image"], options.image_size, options.decode_ratio)
        return {**batch, "image": images}

    return decode


def decoded_anew(plan: RunPlan) -> tf.data.Dataset:
    """All that the plan visits, decoded at every visit."""
    windows = plan.windows(plan.first_epoch, plan.epochs)
    return decoded(windows, plan.part, plan.options, plan.batch_size)


def decoded_once(plan: RunPlan) -> tf.data.Dataset:
    """All that the plan visits; each image is decoded once and then had from memory.

    In the first epoch as it is visited, so that the first batch need not wait for the last image.
    What the first epoch does not visit is decoded at its end.
    """
    first, second = plan.first_epoch, plan.first_epoch + 1
    if second >= plan.epochs:  # nothing will be visited again
        return decoded_anew(plan)
    part, options, batch_size = plan.part, plan.options, plan.batch_size
    memory = MemoryCache(part.num_examples, options.image_size)

    def keep(batch: Batch) -> Batch:
        return {**batch, "image": memory.put(batch["record"], batch["image"])}

    def recall(batch: Batch) -> Batch:
        records = batch["record"]
        return {**batch, "image": memory.get(records), "label": tf.gather(part.labels, records)}

    windows = plan.windows(first, second)
    others = plan.unvisited(windows)
    visited = decoded(windows, part, options, batch_size).map(keep)
    unvisited = decoded(others, part, options, batch_size, drop_remainder=False).map(keep)
    later = (
        plan.windows(second, plan.epochs)
        .map(visits_of)
        .rebatch(batch_size, drop_remainder=True)
        .map(recall, num_parallel_calls=options.threads, deterministic=True)
    )
    return visited.concatenate(_nothing_of(unvisited, batch_size)).concatenate(later)


def visits_of(window: Window) -> Batch:
    """What of a window is needed where its images are in memory."""
    return {"record": window.records, "position": window.positions, "epoch": window.epochs}


def _nothing_of(batches: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    """Goes through `batches` for what doing so does, and yields none of them."""

    def full(tensor: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tensor, [batch_size, *tensor.shape[1:]])

    def as_full(batch: Batch) -> Batch:
        return {name: full(tensor) for name, tensor in batch.items()}

    return batches.filter(lambda batch: False).map(as_full)
