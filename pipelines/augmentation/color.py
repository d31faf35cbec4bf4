"""Random changes of pixel values: colours, blur, and erased rectangles."""

import math
from typing import NamedTuple

import tensorflow as tf

from pipelines.augmentation.config import Augmentation
from pipelines.augmentation.rng import Draw

# Weights of red, green and blue in the brightness that one sees (ITU-R BT.601), as in Pillow.
_LUMA = (0.299, 0.587, 0.114)
_UNITS = 65536.0
LEAST_AREA, GREATEST_AREA = 0.02, 0.33
LEAST_ASPECT, GREATEST_ASPECT = 0.3, 3.3


def jitter_color(images: tf.Tensor, draws: tf.Tensor, augmentation: Augmentation) -> tf.Tensor:
    """Changes brightness, contrast, saturation and hue, in this order; then some are made grey.

    What each does is what torchvision's `ColorJitter` and Pillow's `ImageEnhance` do: factors are
    uniform in [1 - range, 1 + range], the hue's shift in [-range, range] of the circle. Unlike
    there, the order is fixed. Stages whose range is 0 are left out. Images are RGB.
    """
    stages = (
        (adjust_brightness, Draw.BRIGHTNESS, augmentation.brightness, 1.0),
        (adjust_contrast, Draw.CONTRAST, augmentation.contrast, 1.0),
        (adjust_saturation, Draw.SATURATION, augmentation.saturation, 1.0),
        (shift_hue, Draw.HUE, augmentation.hue, 0.0),
    )
    centred = 2.0 * tf.cast(draws, tf.float64) - 1.0
    for adjust, column, reach, middle in stages:
        if reach > 0:
            images = adjust(images, tf.cast(middle + centred[:, column] * reach, tf.float32))
    if augmentation.greyscale > 0:
        grey = draws[:, Draw.GREY] < augmentation.greyscale
        images = tf.where(_for_images(grey), _grey(images), images)
    return images


def adjust_brightness(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Blends with black: 0 is black, 1 the image. Factors are float32 (batch,), 0 or more."""
    return _clamped(images * _for_images(factors))


def adjust_contrast(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Blends with the mean of the image's grey: 0 is a grey area, 1 the image."""
    return _blend(image_mean(_grey(images)), images, factors)


def adjust_saturation(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Blends with the image in grey: 0 is grey, 1 the image."""
    return _blend(_grey(images), images, factors)


def shift_hue(images: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Turns the hue by a share of the colour circle; saturation and value stay.

    To HSV and back in the closed form (https://en.wikipedia.org/wiki/HSL_and_HSV): with k =
    (n + 6 hue) mod 6 a channel is value - chroma max(0, min(k, 4 - k, 1)), n = 5 for red, 3 for
    green, 1 for blue. Shifts are float32 (batch,), in [-0.5, 0.5].
    """
    red, green, blue = tf.split(images, 3, axis=-1)
    value = tf.maximum(tf.maximum(red, green), blue)
    chroma = value - tf.minimum(tf.minimum(red, green), blue)
    starts = tf.constant([5.0, 3.0, 1.0], tf.float64) + 6.0 * tf.cast(shifts, tf.float64)[:, None]
    k = tf.cast(starts, tf.float32)[:, None, None] + _hue_in_sixths(red, green, blue, chroma)
    k -= 6.0 * tf.floor(k * (1.0 / 6.0))
    return _clamped(value - chroma * tf.clip_by_value(tf.minimum(k, 4.0 - k), 0.0, 1.0))


def _hue_in_sixths(
    red: tf.Tensor, green: tf.Tensor, blue: tf.Tensor, chroma: tf.Tensor
) -> tf.Tensor:
    """In [-1, 5]: red 0, green 2, blue 4; 0 for grey, which has none."""
    # Comparing channels, not each with the greatest value: a compiler may compute that twice, a
    # last bit apart, and then none would equal it.
    red_most, green_most = (red >= green) & (red >= blue), green >= blue
    inverse = tf.where(chroma > 0.0, 1.0 / chroma, 0.0)
    otherwise = tf.where(green_most, 2.0 + (blue - red) * inverse, 4.0 + (red - green) * inverse)
    return tf.where(red_most, (green - blue) * inverse, otherwise)


def _grey(images: tf.Tensor) -> tf.Tensor:
    red, green, blue = tf.split(images, 3, axis=-1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def _blend(others: tf.Tensor, images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    return _clamped(others + (images - others) * _for_images(factors))


def _for_images(values: tf.Tensor) -> tf.Tensor:
    return values[:, None, None, None]


def _clamped(images: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(images, 0.0, 1.0)


def image_mean(images: tf.Tensor) -> tf.Tensor:
    """The mean over height and width, float32 (batch, 1, 1, channels).

    Sums of floats depend on their order, and the order on the shape of the batch. So values are
    counted in units of 2^-16: rows as int32, which is exact to a width of 32,767 pixels, and
    columns as float64, exact below 2^53.
    """
    units = tf.cast(tf.round(images * _UNITS), tf.int32)
    rows = tf.reduce_sum(units, axis=2, keepdims=True)
    total = tf.reduce_sum(tf.cast(rows, tf.float64), axis=1, keepdims=True)
    return tf.cast(total / (_UNITS * images.shape[1] * images.shape[2]), tf.float32)


def blur(images: tf.Tensor, draws: tf.Tensor, greatest: float) -> tf.Tensor:
    """Blurs every second image, on average, by a standard deviation uniform in (0, greatest]."""
    sigma = tf.maximum(2.0 * tf.cast(draws[:, Draw.BLUR], tf.float64) - 1.0, 0.0) * greatest
    return gaussian_blur(images, sigma)


def gaussian_blur(images: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """Blurs each image by a Gaussian of its own; at the edges, of what lies within the image.

    As two products of matrices, which XLA leaves as they are: of sums of shifted images, one
    along each axis, it would compute the first again for each term of the second. `sigma`,
    float64 (batch,), are the standard deviations; with 0, each pixel takes all of itself.
    """
    height, width = images.shape[1:3]
    blurred = tf.einsum("bij,bjwc->biwc", _shares(sigma, height), images)
    return tf.einsum("bij,bhjc->bhic", _shares(sigma, width), blurred)


def _shares(sigma: tf.Tensor, size: int) -> tf.Tensor:
    """float32 (batch, size, size), what each pixel of a line takes of each; rows of sum 1."""
    places = tf.range(size, dtype=tf.float64)
    # A number to divide by that leaves nothing to the neighbours.
    spread = tf.maximum(sigma, 1e-3)[:, None, None]
    weights = tf.exp(-0.5 * ((places[:, None] - places) / spread) ** 2)
    return tf.cast(weights / tf.reduce_sum(weights, axis=2, keepdims=True), tf.float32)


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
    """The whole pixels in `values`, float64 and 0 or more: int32, rounded down."""
    return tf.cast(tf.floor(values), tf.int32)


def erase(images: tf.Tensor, draws: tf.Tensor, probability: float) -> tf.Tensor:
    """Erases a rectangle with the given probability.

    After Zhong et al., "Random erasing data augmentation" (arXiv:1708.04896), except that a
    rectangle too long for the image is cut to fit instead of drawn again, and that what fills it
    is the mean colour of the image.
    """
    height, width = images.shape[1], images.shape[2]
    erased = (draws[:, Draw.ERASED] < probability)[:, None, None, None]
    box = inside(erasing_boxes(draws, height, width), height, width)
    return tf.where(erased & box, image_mean(images), images)


def erasing_boxes(draws: tf.Tensor, height: int, width: int) -> Boxes:
    """Boxes of 2 % to 33 % of the area, their height over their width log-uniform in [0.3, 3.3]."""
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
