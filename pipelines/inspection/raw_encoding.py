"""After how many epochs `--encoding=raw` pays: measured on images of the set, on this machine.

What is measured is processor time, not the clock's: decoding takes from the cores that train, and
other programs on the machine do not count.
"""

import io
import itertools
import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipelines.conversion.validation import BATCH, validate
from pipelines.loading.decode import decode_and_resize, decode_to_pixels, pixels_to_images
from pipelines.tfrecords.manifest import ShardedDataset
from pipelines.tfrecords.reader import StoredExample, read_shard, unreadable_image
from pipelines.tfrecords.record import frame_record, parse_example, serialize_example

SAMPLE_IMAGES = 512
_MAX_BYTES = 32_000_000  # fewer images where they are large: about a second for each pass over them
_PASSES = 3


def measure_raw_gain(
    dataset: ShardedDataset, encoded_bytes: int, image_size: int
) -> dict[str, Any]:
    """Compares a set of encoded images with one of the same images made with `--encoding=raw`.

    Args:
        encoded_bytes: How many bytes all its images have together.
        image_size: Height and width of the pixels in the other set.

    Returns:
        'sample_images'; 'encoded_ms', 'raw_ms' and 'convert_ms', the milliseconds of processor time
        to read and decode an image, to read one's pixels, and to make a record of them; 'num_bytes'
        of the other set, about; and 'epochs', the number of passes over the images after which
        making it has paid, None for never.
    """
    examples = _sample(dataset)
    with tempfile.TemporaryDirectory() as scratch, tf.device("CPU"):
        encoded, raw = Path(scratch, "encoded"), Path(scratch, "raw")
        encoded.write_bytes(b"".join(_record(example.image) for example in examples))
        _convert(examples[:BATCH], image_size)  # traces the graphs
        start = time.process_time()
        raw.write_bytes(_convert(examples, image_size))
        convert = (time.process_time() - start) / len(examples)
        decode = _seconds_to_read(encoded, decode_and_resize, image_size) / len(examples)
        read = _seconds_to_read(raw, pixels_to_images, image_size) / len(examples)
    num_examples = sum(split.num_examples for split in dataset.manifest.splits.values())
    num_bytes = sum(shard.num_bytes for shard in dataset.manifest.shards)
    return {
        "sample_images": len(examples),
        "image_size": image_size,
        "encoded_ms": 1e3 * decode,
        "raw_ms": 1e3 * read,
        "convert_ms": 1e3 * convert,
        "num_bytes": num_bytes - encoded_bytes + num_examples * image_size**2 * 3,
        "epochs": epochs_to_pay(convert, decode, read),
    }


def epochs_to_pay(convert: float, decode: float, read: float) -> int | None:
    """Passes after which `convert` is made up for by reading instead of decoding; None for never.

    All three are in seconds an image.
    """
    return math.ceil(convert / (decode - read)) if decode > read else None


def _sample(dataset: ShardedDataset) -> list[StoredExample]:
    """The first training images, of a small set again and again: their order is random already."""
    shards = dataset.manifest.splits["train"].shards
    examples = itertools.chain.from_iterable(
        read_shard(dataset, "train", shard) for shard in shards
    )
    sample: list[StoredExample] = []
    num_bytes = 0
    for example in itertools.islice(itertools.cycle(examples), SAMPLE_IMAGES):
        sample.append(example)
        num_bytes += len(example.image)
        if num_bytes > _MAX_BYTES:
            break
    return sample


def _convert(examples: list[StoredExample], image_size: int) -> bytes:
    """The records of a raw set, made as `make_tfrecords` makes them."""
    stream = io.BytesIO()
    for start in range(0, len(examples), BATCH):
        batch = examples[start : start + BATCH]
        for example, verdict in zip(batch, validate([one.image for one in batch]), strict=True):
            if verdict.rejected:
                raise unreadable_image(example, verdict.rejected)
            stream.write(_record(decode_to_pixels(verdict.data, image_size)))
    return stream.getvalue()


def _record(image: bytes) -> bytes:
    return frame_record(serialize_example(image, 0, "image.jpg", "0" * 64))


def _seconds_to_read(
    path: Path, decode: Callable[[tf.Tensor, int], tf.Tensor], image_size: int
) -> float:
    """The best of some passes over a file of records, after one to warm up."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    dataset = (
        tf.data.TFRecordDataset(os.fspath(path))
        .map(lambda record: decode(parse_example(record)["image"], image_size))
        .with_options(options)
    )
    seconds = []
    for _ in range(1 + _PASSES):
        start = time.process_time()
        dataset.reduce(0, lambda count, image: count + 1).numpy()
        seconds.append(time.process_time() - start)
    return min(seconds[1:])
