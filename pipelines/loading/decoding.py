"""From the windows of a plan to decoded batches, decoded in every epoch or only once."""

from collections.abc import Callable

import tensorflow as tf

from pipelines.loading.decode import decode_batch, pixels_to_images
from pipelines.loading.memory_cache import MemoryCache
from pipelines.loading.options import InputOptions
from pipelines.loading.order import Window
from pipelines.loading.part import Part
from pipelines.loading.plan import RunPlan
from pipelines.loading.windows import read_windows

Batch = dict[str, tf.Tensor]

_KEPT_AHEAD = 1000  # batches, of which only the visits wait: their images are where they stay


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
    """All that the plan visits; each image is decoded once, and had from memory at every visit.

    Images are decoded in the order of the first epoch, so that the first batch need not wait for
    the last image, and at once, whether they are asked for yet or not: there is room for all.
    What the first epoch does not visit is decoded at its end.
    """
    first, second = plan.first_epoch, plan.first_epoch + 1
    if second >= plan.epochs:  # nothing will be visited again
        return decoded_anew(plan)
    part, options, batch_size = plan.part, plan.options, plan.batch_size
    memory = MemoryCache(part.num_examples, options.image_size)

    def keep(batch: Batch) -> Batch:
        visits = {name: batch[name] for name in ("record", "position", "epoch")}
        return {**visits, "record": memory.put(batch["record"], batch["image"])}

    def recall(visits: Batch) -> Batch:
        records = visits["record"]
        return {**visits, "image": memory.get(records), "label": tf.gather(part.labels, records)}

    windows = plan.windows(first, second)
    others = plan.unvisited(windows)
    visited = decoded(windows, part, options, batch_size).map(keep).prefetch(_KEPT_AHEAD)
    unvisited = decoded(others, part, options, batch_size, drop_remainder=False).map(keep)
    later = (
        plan.windows(second, plan.epochs).map(visits_of).rebatch(batch_size, drop_remainder=True)
    )
    return (
        visited.concatenate(_nothing_of(unvisited, batch_size))
        .concatenate(later)
        .map(recall, num_parallel_calls=options.threads, deterministic=True)
    )


def visits_of(window: Window) -> Batch:
    """What of a window is needed where its images are in memory."""
    return {"record": window.records, "position": window.positions, "epoch": window.epochs}


def _nothing_of(visits: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    """Goes through `visits` for what doing so does, and yields none of them."""

    def full(batch: Batch) -> Batch:
        return {name: tf.ensure_shape(tensor, [batch_size]) for name, tensor in batch.items()}

    return visits.filter(lambda batch: False).map(full)
