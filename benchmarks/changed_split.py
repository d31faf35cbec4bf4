"""All images of a split under all changes, as a model sees them."""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks.image_changes import CHANGES
from pipelines.loading.decode import CHANNELS, decode, stretch
from pipelines.tfrecords.reader import read_shard
from pipelines.tfrecords.verification import damage_named
from trainer.asking.asked_data import StoredData


@dataclasses.dataclass(frozen=True, eq=False)
class ChangedSplit:
    """Images in stored order.

    Attributes:
        labels: int64 (n,).
        images: Name of the change -> uint8 (functions of the change, n, size, size, 3).
    """

    labels: np.ndarray
    images: dict[str, np.ndarray]


def changed_split(data: StoredData, image_size: int, decode_ratio: int) -> ChangedSplit:
    """Decodes each image as the input pipeline does, changes it, and stretches it as that does.

    Args:
        data: The split; its images are encoded.
        image_size: Height and width of what the model sees in pixels.
        decode_ratio: See `pipelines.loading.decode`; above 1, what is changed is smaller already.

    Raises:
        InputError: if the set is damaged.
    """
    count = data.manifest.splits[data.split].num_examples
    shape = (count, image_size, image_size, CHANNELS)
    images = {name: np.empty((len(c), *shape), np.uint8) for name, c in CHANGES.items()}
    labels = np.empty(count, np.int64)
    decoded_as, stretched = _compiled(image_size, decode_ratio)
    with damage_named(data.dataset.directory):
        for number, (encoded, label) in enumerate(_stored(data)):
            labels[number] = label
            image = Image.fromarray(decoded_as(encoded).numpy())
            for name, functions in CHANGES.items():
                for place, change in enumerate(functions):
                    images[name][place, number] = stretched(np.asarray(change(image))).numpy()
    return ChangedSplit(labels, images)


def _stored(data: StoredData) -> Iterator[tuple[bytes, int]]:
    for shard in data.manifest.splits[data.split].shards:
        for example in read_shard(data.dataset, data.split, shard):
            yield example.image, example.label


def _compiled(image_size: int, decode_ratio: int):
    # As graphs, which is how the input pipeline runs them.
    return (
        tf.function(
            functools.partial(decode, image_size=image_size, ratio=decode_ratio),
            input_signature=[tf.TensorSpec([], tf.string)],
            autograph=False,
        ),
        tf.function(
            functools.partial(stretch, image_size=image_size),
            input_signature=[tf.TensorSpec([None, None, CHANNELS], tf.uint8)],
            autograph=False,
        ),
    )
