"""Axis-parallel boxes of whole pixels, one an image."""

from typing import NamedTuple

import tensorflow as tf


class Boxes(NamedTuple):
    """int32 tensors of shape (batch,): rows [top, bottom), columns [left, right)."""

    top: tf.Tensor
    left: tf.Tensor
    bottom: tf.Tensor
    right: tf.Tensor


def inside(boxes: Boxes, height: int, width: int) -> tf.Tensor:
    """Which pixels lie in the box: boolean of shape (batch, height, width, 1)."""
    top, left, bottom, right = (edge[:, None, None, None] for edge in boxes)
    y = tf.range(height)[None, :, None, None]
    x = tf.range(width)[None, None, :, None]
    return (y >= top) & (y < bottom) & (x >= left) & (x < right)


def whole(values: tf.Tensor) -> tf.Tensor:
    """The whole pixels in `values`, 0 or more.

    Args:
        values: float64. Not float32: the last bit, which compilers round as they like, would now
            and then decide on a pixel.

    Returns:
        int32 of the same shape, rounded down.
    """
    return tf.cast(tf.floor(values), tf.int32)
