"""Times each stage of the input pipeline on its own.

A stage is fed from memory with what the stage before it makes of a sample of training images, so
that nothing else is timed. It uses as many threads and readers as in the chain.
"""

import dataclasses

import tensorflow as tf

from pipelines.loading.cache import MemoryCache
from pipelines.loading.dataset import (
    augmentation_stage,
    block_reader,
    decoding_stage,
    fixed_parallelism,
    parse_visited,
    visits_of,
)
from pipelines.loading.decode import decode
from pipelines.loading.order import Window
from pipelines.loading.plan import RunPlan
from trainer.timing.measure import Rate, rate_of_dataset

STAGES = ("order", "read", "parse", "batch", "decode", "resize", "cache", "warp")

_SAMPLE_IMAGES = 2048


@dataclasses.dataclass(frozen=True)
class _Sample:
    """Some training images after each stage.

    Attributes:
        window: Which they are.
        serialized: string (n,), the records of the window's blocks.
        parsed: What is visited of them, as `parse_visited` gives it.
        encoded: The same in batches: each field (batches, batch, ...).
        decoded: With 'image' as uint8 (batches, batch, size, size, 3).
    """

    window: Window
    serialized: tf.Tensor
    parsed: dict[str, tf.Tensor]
    encoded: dict[str, tf.Tensor]
    decoded: dict[str, tf.Tensor]


def time_stages(plan: RunPlan, seconds: float) -> dict[str, Rate]:
    """The rate of each of `STAGES`; none for 'resize' where the set holds pixels.

    Args:
        plan: Of a run, whose first window is the sample.
        seconds: How long each is timed.
    """
    sample = _take_sample(plan)
    stages = _stages(plan, sample)
    rates = {
        name: rate_of_dataset(dataset.with_options(fixed_parallelism()), images, seconds)
        for name, (dataset, images) in stages.items()
    }
    if "decode and resize" in rates:
        rates["resize"] = _difference(rates.pop("decode and resize"), rates["decode"])
    return {name: rates[name] for name in STAGES if name in rates}


@tf.autograph.experimental.do_not_convert
def _take_sample(plan: RunPlan) -> _Sample:
    data, size = plan.data, plan.batch_size
    window = next(iter(plan.windows(plan.first_epoch, plan.epochs)))
    count = min(_SAMPLE_IMAGES, int(tf.size(window.positions))) // size * size
    window = window.visiting(tf.range(tf.size(window.positions)) < count)
    serialized = block_reader(data, plan.options.readers)(window)
    parsed = parse_visited(serialized, window)
    encoded = tf.nest.map_structure(lambda field: tf.reshape(field, [-1, size]), parsed)
    batches = tf.data.Dataset.from_tensor_slices(encoded)
    decode_all = batches.map(decoding_stage(data, plan.options), tf.data.AUTOTUNE)
    decoded = decode_all.batch(count).get_single_element()
    return _Sample(window, serialized, parsed, encoded, decoded)


@tf.autograph.experimental.do_not_convert
def _stages(plan: RunPlan, sample: _Sample) -> dict[str, tuple[tf.data.Dataset, float]]:
    """Each stage as an endless data set, and how many images are in an element, on average."""
    data, options, size = plan.data, plan.options, plan.batch_size
    visits = plan.windows(plan.first_epoch, plan.epochs).map(visits_of).rebatch(size)
    visited = len(sample.window.positions)
    read = block_reader(data, options.readers)
    memory = MemoryCache(visited, options.image_size)
    places = tf.reshape(tf.range(visited, dtype=tf.int64), [-1, size])
    for images, records in zip(sample.decoded["image"], places, strict=True):
        memory.put(records, images)

    def again(tensors) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(tensors).repeat()

    def batches(tensors) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(tensors).repeat()

    def threaded(dataset: tf.data.Dataset, stage) -> tf.data.Dataset:
        return dataset.map(stage, num_parallel_calls=options.threads, deterministic=True).prefetch(
            2
        )

    stages = {
        "order": (visits.repeat(), size),
        "read": (again(sample.window).map(read).prefetch(1), len(sample.serialized)),
        "parse": (again((sample.serialized, sample.window)).map(parse_visited), visited),
        "batch": (again(sample.parsed).rebatch(size), size),
        "cache": (threaded(batches(places), memory.get), size),
        "warp": (threaded(batches(sample.decoded), augmentation_stage(plan)), size),
    }
    decode_and_resize = threaded(batches(sample.encoded), decoding_stage(data, options))
    if data.encoding == "raw":
        return {**stages, "decode": (decode_and_resize, size)}
    decode_only = threaded(batches(sample.encoded["image"]), lambda images: _shapes(plan, images))
    return {
        **stages,
        "decode": (decode_only, size),
        "decode and resize": (decode_and_resize, size),
    }


def _shapes(plan: RunPlan, encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a batch and keeps nothing of it but the sizes."""
    options = plan.options

    def shape(image: tf.Tensor) -> tf.Tensor:
        return tf.shape(decode(image, options.image_size, options.decode_ratio))

    one = tf.TensorSpec([3], tf.int32)
    return tf.map_fn(shape, encoded, parallel_iterations=1, fn_output_signature=one)


def _difference(both: Rate, first: Rate) -> Rate:
    """The rate of the second of two things, from that of both together and that of the first.

    They differ by little, and measurements by chance: never less than a hundredth of both.
    """
    seconds = 1 / both.images_per_second - 1 / first.images_per_second
    seconds = max(seconds, 0.01 / both.images_per_second)
    return Rate(1 / seconds, max(both.cpu_ms - first.cpu_ms, 0.01 * both.cpu_ms))
