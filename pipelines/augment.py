"""The whole augmentation as one affine warp: one interpolation an image, one op a batch."""

import dataclasses
from typing import NamedTuple

import tensorflow as tf

DRAWS_PER_EXAMPLE = 7


@dataclasses.dataclass(frozen=True)
class WarpRanges:
    """How far the augmentation may go; the defaults are the tutorial's `ImageDataGenerator`.

    Attributes:
        rotation: Degrees, drawn from [-rotation, rotation].
        width_shift: Share of the width, drawn from [-width_shift, width_shift].
        height_shift: Share of the height, likewise.
        shear: Degrees (so the tutorial's 0.15 is next to nothing), drawn from [-shear, shear].
        zoom: Each axis is scaled by its own factor drawn from [1 - zoom, 1 + zoom].
        horizontal_flip: Whether every second image, on average, is mirrored.
    """

    rotation: float = 20.0
    width_shift: float = 0.2
    height_shift: float = 0.2
    shear: float = 0.15
    zoom: float = 0.15
    horizontal_flip: bool = True


class WarpParameters(NamedTuple):
    """One warp an example; each a tensor of shape (batch,).

    Attributes:
        rotation: Radians.
        shift_x: Pixels along the width.
        shift_y: Pixels along the height.
        shear: Radians.
        zoom_x: Factor along the width; above 1 shows more of the image.
        zoom_y: Factor along the height.
        flip: Boolean, whether the result is mirrored left to right.
    """

    rotation: tf.Tensor
    shift_x: tf.Tensor
    shift_y: tf.Tensor
    shear: tf.Tensor
    zoom_x: tf.Tensor
    zoom_y: tf.Tensor
    flip: tf.Tensor


def warp_parameters(draws: tf.Tensor, ranges: WarpRanges, image_size: int) -> WarpParameters:
    """Scales uniform draws to the ranges.

    Args:
        draws: float32 of shape (batch, DRAWS_PER_EXAMPLE), each in [0, 1).
        ranges: The limits of each parameter.
        image_size: Height and width in pixels, the unit of the shifts.
    """
    centred = 2.0 * draws - 1.0
    degree = tf.constant(3.141592653589793 / 180.0)
    return WarpParameters(
        rotation=centred[:, 0] * ranges.rotation * degree,
        shift_x=centred[:, 1] * ranges.width_shift * image_size,
        shift_y=centred[:, 2] * ranges.height_shift * image_size,
        shear=centred[:, 3] * ranges.shear * degree,
        zoom_x=1.0 + centred[:, 4] * ranges.zoom,
        zoom_y=1.0 + centred[:, 5] * ranges.zoom,
        flip=(draws[:, 6] < 0.5) & ranges.horizontal_flip,
    )


def without_warp(draws: tf.Tensor) -> tf.Tensor:
    """The draws that give the same mirroring and no other movement; shapes as above."""
    return tf.concat([tf.fill(tf.shape(draws[:, :-1]), 0.5), draws[:, -1:]], axis=1)


def warp(images: tf.Tensor, parameters: WarpParameters) -> tf.Tensor:
    """Rotates, shifts, shears, zooms and mirrors every image in a single interpolation.

    The map from an output pixel to the input, in (x, y), is

        C · R(rotation) · S(shift_x, shift_y) · H(shear) · Z(zoom_x, zoom_y) · C⁻¹ · F

    with C the move of the origin to the image's centre ((W-1)/2, (H-1)/2), F the mirror
    x -> W-1-x, and

        R = [[cos r, -sin r], [sin r, cos r]]   H = [[1, -sin h], [0, cos h]]

    as Keras' legacy `apply_affine_transform` has them. Multiplied out, the linear part is
    [[zx cos r, -zy sin(r+h)], [zx sin r, zy cos(r+h)]], and F only negates its first column.
    Bilinear; outside the image the nearest pixel of the border, as `fill_mode="nearest"`.

    Args:
        images: (batch, height, width, channels), any numeric dtype; values keep their range.
        parameters: One value for each image.

    Returns:
        float32 of the same shape. Integers would be truncated by the op, hence the float.
    """
    height, width = images.shape[1], images.shape[2]
    centre_x, centre_y = (width - 1) / 2.0, (height - 1) / 2.0
    r, h = parameters.rotation, parameters.shear
    mirror = tf.where(parameters.flip, -1.0, 1.0)
    xx = mirror * parameters.zoom_x * tf.cos(r)
    xy = -parameters.zoom_y * tf.sin(r + h)
    yx = mirror * parameters.zoom_x * tf.sin(r)
    yy = parameters.zoom_y * tf.cos(r + h)
    shift_x = tf.cos(r) * parameters.shift_x - tf.sin(r) * parameters.shift_y
    shift_y = tf.sin(r) * parameters.shift_x + tf.cos(r) * parameters.shift_y
    move_x = centre_x + shift_x - xx * centre_x - xy * centre_y
    move_y = centre_y + shift_y - yx * centre_x - yy * centre_y
    zero = tf.zeros_like(xx)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=tf.stack([xx, xy, move_x, yx, yy, move_y, zero, zero], axis=1),
        output_shape=tf.constant([height, width]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
