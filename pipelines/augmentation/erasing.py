"""Random erasing: a rectangle of an image is filled with its mean colour."""

import math
from typing import NamedTuple

import tensorflow as tf

from pipelines.augmentation.color import image_mean
from pipelines.augmentation.rng import Draw

LEAST_AREA, GREATEST_AREA = 0.02, 0.33
LEAST_ASPECT, GREATEST_ASPECT = 0.3, 3.3


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


def erase(images: tf.Tensor, draws: tf.Tensor, probability: float) -> tf.Tensor:
    """Erases a rectangle with the given probability.

    After Zhong et al., "Random erasing data augmentation" (arXiv:1708.04896), except that a
    rectangle too long for the image is cut to fit instead of drawn again, and that what fills it
    is the mean colour of the image.

    Args:
        images: float32 of shape (batch, height, width, channels), in [0, 1].
        draws: float32 of shape (batch, DRAWS_PER_EXAMPLE).
        probability: In [0, 1].

    Returns:
        The same shape and range.
    """
    height, width = images.shape[1], images.shape[2]
    erased = (draws[:, Draw.ERASED] < probability)[:, None, None, None]
    box = inside(erasing_boxes(draws, height, width), height, width)
    return tf.where(erased & box, image_mean(images), images)


def erasing_boxes(draws: tf.Tensor, height: int, width: int) -> Boxes:
    """Boxes of 2 % to 33 % of the area, their height over their width log-uniform in [0.3, 3.3].

    Args:
        draws: float32 of shape (batch, DRAWS_PER_EXAMPLE).
        height: Of the images in pixels.
        width: Likewise.
    """
    draws = tf.cast(draws, tf.float64)
    share = LEAST_AREA + (GREATEST_AREA - LEAST_AREA) * draws[:, Draw.ERASED_AREA]
    area = share * (height * width)
    least, greatest = math.log(LEAST_ASPECT), math.log(GREATEST_ASPECT)
    aspect = tf.exp(least + (greatest - least) * draws[:, Draw.ERASED_ASPECT])
    tall = tf.minimum(whole(tf.sqrt(area * aspect) + 0.5), height)
    wide = tf.minimum(whole(tf.sqrt(area / aspect) + 0.5), width)
    top = whole(draws[:, Draw.ERASED_Y] * tf.cast(height - tall + 1, tf.float64))
    left = whole(draws[:, Draw.ERASED_X] * tf.cast(width - wide + 1, tf.float64))
    return Boxes(top, left, top + tall, left + wide)
