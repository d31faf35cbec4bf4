"""The images that an export is checked with: real ones, spread over the test split of a set."""

import dataclasses

import numpy as np
import tensorflow as tf

from pipelines.loading.decode import decode_examples
from pipelines.tfrecords.manifest import ShardedDataset
from pipelines.tfrecords.reader import StoredExample, picked_examples
from trainer.data_name import data_name
from trainer.model_description import ModelDescription

MOST_IMAGES = 64


@dataclasses.dataclass(frozen=True, eq=False)
class CheckedImages:
    """Some images, as files hold them and as the model was shown them in training.

    Attributes:
        source: Where they are from, for a reader.
        encoded: A JPEG or PNG each.
        pixels: uint8 (images, size, size, 3).
    """

    source: str
    encoded: list[bytes]
    pixels: np.ndarray

    @property
    def scaled(self) -> np.ndarray:
        """float32 (images, size, size, 3) in [0, 1], what the model takes."""
        return self.pixels.astype(np.float32) / np.float32(255)


def checked_images(dataset: ShardedDataset, description: ModelDescription) -> CheckedImages:
    """At most `MOST_IMAGES` images, evenly spread over what was kept from training.

    Args:
        dataset: Where they are.
        description: How the model's images are made.

    Raises:
        InputError: for a record that is damaged or cannot be read.
    """
    manifest = dataset.manifest
    split = next(name for name in ("test", "validation", "train") if name in manifest.splits)
    size, count = description.image_size, manifest.splits[split].num_examples
    numbers = np.linspace(0, count - 1, min(count, MOST_IMAGES)).astype(int).tolist()
    examples = picked_examples(dataset, split, numbers)
    return CheckedImages(
        source=f"{data_name(manifest)}, {split} split",
        encoded=[_as_file(example) for example in examples],
        pixels=decode_examples(examples, size, description.decode_ratio),
    )


def _as_file(example: StoredExample) -> bytes:
    if example.pixels_shape is None:
        return example.image
    pixels = np.frombuffer(example.image, np.uint8).reshape(example.pixels_shape)
    return tf.io.encode_png(pixels).numpy()  # lossless, and of the model's size already
