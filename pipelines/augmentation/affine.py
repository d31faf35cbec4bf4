"""All that moves pixels, as one affine map and one interpolation."""

import math
from typing import NamedTuple

import tensorflow as tf

from pipelines.augmentation.config import Augmentation
from pipelines.augmentation.rng import Draw


class AffineParameters(NamedTuple):
    """One affine map an example; each a float64 tensor of shape (batch,) but for `flip`."""

    rotation: tf.Tensor  # radians
    shift_x: tf.Tensor  # pixels along the width
    shift_y: tf.Tensor  # pixels along the height
    shear: tf.Tensor  # radians
    zoom_x: tf.Tensor  # factor along the width; above 1 shows more of the image
    zoom_y: tf.Tensor  # factor along the height
    aspect: tf.Tensor  # factor along the width over the factor along the height, on top of the zoom
    # crop_left, crop_right, crop_top, crop_bottom: Share of the width or height lost there.
    crop_left: tf.Tensor
    crop_right: tf.Tensor
    crop_top: tf.Tensor
    crop_bottom: tf.Tensor
    flip: tf.Tensor  # boolean, whether the result is mirrored left to right


class _Axis(NamedTuple):
    """Where output pixel (x, y) comes from along one axis: by_x * x + by_y * y + move, clipped.

    Each of shape (batch, 1, 1); the first three float64, the bounds float32.
    """

    by_x: tf.Tensor
    by_y: tf.Tensor
    move: tf.Tensor
    least: tf.Tensor
    greatest: tf.Tensor


def affine_parameters(
    draws: tf.Tensor, augmentation: Augmentation, height: int, width: int
) -> AffineParameters:
    """Scales uniform draws to the ranges; `height` and `width` are of the images.

    In float64: after the conversion to float32 nothing is left of how a compiler rounds.
    """
    draws = tf.cast(draws, tf.float64)
    centred = 2.0 * draws - 1.0
    return AffineParameters(
        rotation=centred[:, Draw.ROTATION] * math.radians(augmentation.rotation),
        shift_x=centred[:, Draw.SHIFT_X] * (augmentation.width_shift * width),
        shift_y=centred[:, Draw.SHIFT_Y] * (augmentation.height_shift * height),
        shear=centred[:, Draw.SHEAR] * math.radians(augmentation.shear),
        zoom_x=1.0 + centred[:, Draw.ZOOM_X] * augmentation.zoom,
        zoom_y=1.0 + centred[:, Draw.ZOOM_Y] * augmentation.zoom,
        aspect=tf.exp(centred[:, Draw.ASPECT] * math.log1p(augmentation.aspect_jitter)),
        crop_left=draws[:, Draw.CROP_LEFT] * augmentation.border_crop,
        crop_right=draws[:, Draw.CROP_RIGHT] * augmentation.border_crop,
        crop_top=draws[:, Draw.CROP_TOP] * augmentation.border_crop,
        crop_bottom=draws[:, Draw.CROP_BOTTOM] * augmentation.border_crop,
        flip=(draws[:, Draw.FLIP] < 0.5) & augmentation.horizontal_flip,
    )


def affine(
    images: tf.Tensor, parameters: AffineParameters, black: tf.Tensor | None = None
) -> tf.Tensor:
    """Crops, rotates, shifts, shears, zooms and mirrors every image in a single interpolation.

    The map from an output pixel to the input, in (x, y), is

        K · C · R(rotation) · S(shift_x, shift_y) · H(shear) · Z(zoom_x, zoom_y) · A · C⁻¹ · F

    with C the move of the origin to the image's centre ((W-1)/2, (H-1)/2), F the mirror
    x -> W-1-x, A = diag(√aspect, 1/√aspect), and

        R = [[cos r, -sin r], [sin r, cos r]]   H = [[1, -sin h], [0, cos h]]

    as Keras' legacy `apply_affine_transform` has them. Multiplied out, the linear part without K
    is [[zx cos r, -zy sin(r+h)], [zx sin r, zy cos(r+h)]], where zx and zy hold A as well, and F
    only negates its first column. K leads from the cropped image, which is stretched back to the
    full size, to the whole one:

        x -> (1 - left - right) (x + 1/2) + left W - 1/2      and likewise y

    with pixel centres at whole numbers, as `tf.image.resize` has them. Bilinear; outside the
    cropped image the nearest pixel of it, as `fill_mode="nearest"`, or black: what was cropped
    away does not come back.

    Args:
        images: Of any numeric dtype. The result has their shape and range, and is float32.
        black: Boolean (batch,), for which images the outside is black; for none unless given.
    """
    height, width = images.shape[1], images.shape[2]
    axis_x, axis_y = _axes(parameters, height, width)
    x, y = _positions(axis_x, height, width), _positions(axis_y, height, width)
    # The nearest positions that are in the cropped image.
    near_x = tf.clip_by_value(x, axis_x.least, axis_x.greatest)
    near_y = tf.clip_by_value(y, axis_y.least, axis_y.greatest)
    warped = _bilinear(images, near_x, near_y)
    if black is None:
        return warped
    outside = _is_outside(x, axis_x) | _is_outside(y, axis_y)
    return tf.where((outside & black[:, None, None])[..., None], 0.0, warped)


def _axes(parameters: AffineParameters, height: int, width: int) -> tuple[_Axis, _Axis]:
    p = parameters
    centre_x, centre_y = (width - 1) / 2.0, (height - 1) / 2.0
    zoom_x, zoom_y = p.zoom_x * tf.sqrt(p.aspect), p.zoom_y / tf.sqrt(p.aspect)
    cosine, sine = tf.cos(p.rotation), tf.sin(p.rotation)
    xx, xy = zoom_x * cosine, -zoom_y * tf.sin(p.rotation + p.shear)
    yx, yy = zoom_x * sine, zoom_y * tf.cos(p.rotation + p.shear)
    xx, yx = tf.where(p.flip, -xx, xx), tf.where(p.flip, -yx, yx)
    move_x = centre_x + cosine * p.shift_x - sine * p.shift_y - xx * centre_x - xy * centre_y
    move_y = centre_y + sine * p.shift_x + cosine * p.shift_y - yx * centre_x - yy * centre_y
    return (
        _cropped(xx, xy, move_x, p.crop_left, p.crop_right, width),
        _cropped(yx, yy, move_y, p.crop_top, p.crop_bottom, height),
    )


def _cropped(
    by_x: tf.Tensor, by_y: tf.Tensor, move: tf.Tensor, near: tf.Tensor, far: tf.Tensor, size: int
) -> _Axis:
    """Applies K along one axis; `near` and `far` are the shares lost at its two ends."""
    scale = 1.0 - near - far
    axis = _Axis(
        by_x=scale * by_x,
        by_y=scale * by_y,
        move=scale * (move + 0.5) + near * size - 0.5,
        least=tf.cast(near * size, tf.float32),
        greatest=tf.cast(size - 1.0 - far * size, tf.float32),
    )
    return _Axis(*(values[:, None, None] for values in axis))


def _positions(axis: _Axis, height: int, width: int) -> tf.Tensor:
    """float32 (batch, height, width), in pixels of the input."""
    x = tf.range(width, dtype=tf.float64)[None, None, :]
    y = tf.range(height, dtype=tf.float64)[None, :, None]
    # One addition of float32 is all that is left for each pixel. It has one result, where a
    # compiler may join a product and a sum or not, and differently in two copies of one
    # position: of which one would then choose the neighbours, the other one their shares.
    by_column = tf.cast(axis.by_x * x, tf.float32)
    by_row = tf.cast(axis.by_y * y + axis.move, tf.float32)
    return by_column + by_row


def _is_outside(positions: tf.Tensor, axis: _Axis) -> tf.Tensor:
    """Which lie beyond the outer edge of the first or last pixel, half a pixel from its centre."""
    return (positions < axis.least - 0.5) | (positions > axis.greatest + 0.5)


def _bilinear(images: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The image at positions within it, in plain gathers, which XLA joins with the arithmetic."""
    height, width, channels = images.shape[1:]
    batch_size = tf.shape(images)[0]
    # Of two neighbours the first; the last pixel is the second one, with the whole weight.
    left = tf.minimum(tf.cast(x, tf.int32), max(width - 2, 0))
    top = tf.minimum(tf.cast(y, tf.int32), max(height - 2, 0))
    share_x = (x - tf.cast(left, tf.float32))[..., None]
    share_y = (y - tf.cast(top, tf.float32))[..., None]
    pixels = tf.reshape(images, [-1, channels])
    first = (tf.range(batch_size)[:, None, None] * height + top) * width + left
    right, below = min(width - 1, 1), width * min(height - 1, 1)

    def at(offset: int) -> tf.Tensor:
        return tf.cast(tf.gather(pixels, first + offset), tf.float32)

    upper = at(0) + (at(right) - at(0)) * share_x
    lower = at(below) + (at(below + right) - at(below)) * share_x
    return upper + (lower - upper) * share_y
