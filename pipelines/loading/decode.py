"""Encoded bytes to a uint8 image of the model's size."""

import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pipelines.loading.options import DECODE_RATIOS
from pipelines.tfrecords.reader import StoredExample

__all__ = ["decode_and_resize", "decode_to_pixels"]

CHANNELS = 3


def decode_and_resize(encoded: tf.Tensor, image_size: int, ratio: int = 1) -> tf.Tensor:
    """Decodes one image and stretches it to a square, as the tutorial's `cv2.resize` does.

    Bilinear without antialiasing, the aspect ratio ignored; greyscale becomes three equal
    channels. The result is rounded back to uint8: a quarter of the memory of float32 in the
    cache, and at most half a grey level away from it.

    Args:
        encoded: Scalar string, a JPEG or PNG image.
        image_size: Height and width of the result in pixels.
        ratio: 1, 2, 4 or 8. Above 1, a JPEG is decoded at the smallest scale of 1, 1/2, ... 1/ratio
            at which it is no smaller than the result: less work, and other pixels, each the mean
            of several.

    Returns:
        uint8 tensor of shape (image_size, image_size, 3).

    Raises:
        tf.errors.InvalidArgumentError: when run, if the bytes are no image that can be decoded.
    """
    return stretch(decode(encoded, image_size, ratio), image_size)


def decode(encoded: tf.Tensor, image_size: int, ratio: int = 1) -> tf.Tensor:
    """Decodes to uint8 (height, width, 3), at a reduced scale where `ratio` allows it."""
    steps = [step for step in DECODE_RATIOS if 1 < step <= ratio]

    def whole() -> tf.Tensor:
        return tf.io.decode_image(encoded, channels=CHANNELS, expand_animations=False)

    def of_jpeg() -> tf.Tensor:
        smaller_side = tf.reduce_min(tf.io.extract_jpeg_shape(encoded)[:2])
        # libjpeg rounds up.
        fitting = [-(-smaller_side // step) >= image_size for step in steps]
        reduced = [functools.partial(tf.io.decode_jpeg, encoded, CHANNELS, step) for step in steps]
        return tf.switch_case(tf.math.count_nonzero(fitting, dtype=tf.int32), [whole, *reduced])

    image = tf.cond(tf.io.is_jpeg(encoded), of_jpeg, whole) if steps else whole()
    image.set_shape([None, None, CHANNELS])
    return image


def stretch(image: tf.Tensor, image_size: int) -> tf.Tensor:
    """Stretches uint8 (height, width, 3) to (image_size, image_size, 3): `decode_and_resize`."""
    resized = tf.image.resize(image, [image_size, image_size], method="bilinear", antialias=False)
    return tf.cast(tf.round(resized), tf.uint8)


def decode_batch(encoded: tf.Tensor, image_size: int, ratio: int = 1) -> tf.Tensor:
    """`decode_and_resize` for each of a batch, string (batch,), one after the other.

    In one call: a call for each image, as `Dataset.map` makes them, costs a tenth of decoding it.
    The result is uint8 (batch, image_size, image_size, 3).
    """
    one = tf.TensorSpec([image_size, image_size, CHANNELS], tf.uint8)
    stretched = functools.partial(decode_and_resize, image_size=image_size, ratio=ratio)
    return tf.map_fn(stretched, encoded, parallel_iterations=1, fn_output_signature=one)


def decode_to_pixels(encoded: bytes, image_size: int, ratio: int = 1) -> bytes:
    """What `decode_and_resize` gives, as bytes: image_size x image_size x 3, row by row."""
    with tf.device("CPU"):
        return _compiled_for(image_size, ratio)(tf.constant(encoded)).numpy().tobytes()


def decode_examples(
    examples: Sequence[StoredExample], image_size: int, ratio: int = 1
) -> np.ndarray:
    """Stored examples as the model sees them, uint8 (len(examples), image_size, image_size, 3).

    Pixels that are stored, which have this size, stay as they are.
    """
    pixels = [
        one.image if one.pixels_shape else decode_to_pixels(one.image, image_size, ratio)
        for one in examples
    ]
    shape = len(pixels), image_size, image_size, CHANNELS
    return np.frombuffer(b"".join(pixels), np.uint8).reshape(shape)


def pixels_to_images(pixels: tf.Tensor, image_size: int) -> tf.Tensor:
    """The images that `decode_to_pixels` gave as bytes: a string each, in a tensor of any shape."""
    values = tf.io.decode_raw(pixels, tf.uint8)
    shape = [*pixels.shape, image_size, image_size, CHANNELS]
    return tf.reshape(values, [-1 if size is None else size for size in shape])


@functools.cache
def _compiled_for(image_size: int, ratio: int) -> tf.types.experimental.PolymorphicFunction:
    # As a graph, which is how the input pipeline runs it.
    return tf.function(
        functools.partial(decode_and_resize, image_size=image_size, ratio=ratio),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )
