"""Encoded bytes to a uint8 image of the model's size."""

import functools

import tensorflow as tf

CHANNELS = 3


def decode_and_resize(encoded: tf.Tensor, image_size: int) -> tf.Tensor:
    """Decodes one image and stretches it to a square, as the tutorial's `cv2.resize` does.

    Bilinear without antialiasing, the aspect ratio ignored; greyscale becomes three equal
    channels. The result is rounded back to uint8: a quarter of the memory of float32 in the
    cache, and at most half a grey level away from it.

    Args:
        encoded: Scalar string, a JPEG or PNG image.
        image_size: Height and width of the result in pixels.

    Returns:
        uint8 tensor of shape (image_size, image_size, 3).

    Raises:
        tf.errors.InvalidArgumentError: when run, if the bytes are no image that can be decoded.
    """
    image = tf.io.decode_image(encoded, channels=CHANNELS, expand_animations=False)
    image.set_shape([None, None, CHANNELS])
    resized = tf.image.resize(image, [image_size, image_size], method="bilinear", antialias=False)
    return tf.cast(tf.round(resized), tf.uint8)


def decode_to_pixels(encoded: bytes, image_size: int) -> bytes:
    """What `decode_and_resize` gives, as bytes: image_size x image_size x 3, row by row."""
    with tf.device("CPU"):
        return _compiled_for(image_size)(tf.constant(encoded)).numpy().tobytes()


def pixels_to_image(pixels: tf.Tensor, image_size: int) -> tf.Tensor:
    """The image that `decode_to_pixels` gave as bytes, a scalar string."""
    values = tf.io.decode_raw(pixels, tf.uint8)
    return tf.reshape(values, [image_size, image_size, CHANNELS])


@functools.cache
def _compiled_for(image_size: int) -> tf.types.experimental.PolymorphicFunction:
    # As a graph, which is how the input pipeline runs it.
    return tf.function(
        functools.partial(decode_and_resize, image_size=image_size),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )
