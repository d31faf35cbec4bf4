"""The mean of an image, the same in whatever order a compiler adds its pixels."""

import tensorflow as tf

_UNITS = 65536.0


def image_mean(images: tf.Tensor) -> tf.Tensor:
    """The mean over height and width.

    Sums of floats depend on their order, and the order on the shape of the batch. So values are
    counted in units of 2^-16: rows as int32, which is exact to a width of 32,767 pixels, and
    columns as float64, exact below 2^53.

    Args:
        images: float32 of shape (batch, height, width, channels), in [0, 1].

    Returns:
        float32 of shape (batch, 1, 1, channels).
    """
    units = tf.cast(tf.round(images * _UNITS), tf.int32)
    rows = tf.reduce_sum(units, axis=2, keepdims=True)
    total = tf.reduce_sum(tf.cast(rows, tf.float64), axis=1, keepdims=True)
    return tf.cast(total / (_UNITS * images.shape[1] * images.shape[2]), tf.float32)
