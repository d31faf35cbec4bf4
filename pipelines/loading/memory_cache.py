"""Decoded images in memory, found by the number of their record."""

import tensorflow as tf

from pipelines.loading.decode import CHANNELS


class MemoryCache:
    """Room for every decoded image of a split, which can then be had in any order.

    A variable and not `Dataset.cache`, which can only be read from its beginning to its end: an
    epoch visits the images in an order of its own.

    Args:
        num_images: How many there is room for.
        image_size: Height and width in pixels.
    """

    def __init__(self, num_images: int, image_size: int) -> None:
        with tf.device("/device:CPU:0"):
            # Not zeroed, so that memory is taken only as it is filled.
            empty = tf.raw_ops.Empty(
                shape=[num_images, image_size, image_size, CHANNELS], dtype=tf.uint8
            )
            self._images = tf.Variable(empty, trainable=False, name="decoded_images")

    def put(self, records: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
        """Keeps `images`, uint8 (batch, size, size, 3), as those of `records`, int64 (batch,).

        Returns:
            The records; whoever uses these knows that their images are kept.
        """
        with tf.control_dependencies(
            [self._images.scatter_update(tf.IndexedSlices(images, records))]
        ):
            return tf.identity(records)

    def get(self, records: tf.Tensor) -> tf.Tensor:
        """The images of `records`, int64 (batch,): uint8 (batch, size, size, 3)."""
        return self._images.sparse_read(records)
