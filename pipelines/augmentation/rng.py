"""The random numbers of each example: rows of one endless table, computed where they are needed."""

import enum

import tensorflow as tf

__all__ = ["draws_at", "epoch_key"]

_PHILOX = 1
_NUMBERS_PER_COUNTER = 4
# A multiple of the four numbers that one step of the counter gives. The columns after the last
# are free for stages to come, which then leave the draws of today's as they are.
DRAWS_PER_EXAMPLE = 32


class Draw(enum.IntEnum):
    """The column of each random number. Fixed, so that no stage moves the draws of another."""

    ROTATION = 0
    SHIFT_X = 1
    SHIFT_Y = 2
    SHEAR = 3
    ZOOM_X = 4
    ZOOM_Y = 5
    FLIP = 6
    ASPECT = 7
    CROP_LEFT = 8
    CROP_RIGHT = 9
    CROP_TOP = 10
    CROP_BOTTOM = 11
    BRIGHTNESS = 12
    CONTRAST = 13
    SATURATION = 14
    HUE = 15
    ERASED = 16
    ERASED_AREA = 17
    ERASED_ASPECT = 18
    ERASED_X = 19
    ERASED_Y = 20
    MIX_RADIUS = 21
    MIX_ANGLE = 22
    MIX_KIND = 23
    MIX_X = 24
    MIX_Y = 25
    FILL = 26
    GREY = 27
    BLUR = 28


# What leaves an image as it is. Where it is not listed, any draw does.
_NEUTRAL = {
    # The middle of a range that is symmetric around "no change".
    **dict.fromkeys(range(Draw.ROTATION, Draw.FLIP), 0.5),
    Draw.ASPECT: 0.5,
    **dict.fromkeys(range(Draw.CROP_LEFT, Draw.CROP_BOTTOM + 1), 0.0),
    **dict.fromkeys(range(Draw.BRIGHTNESS, Draw.HUE + 1), 0.5),
    Draw.FILL: 1.0,  # below no probability, and so on
    Draw.GREY: 1.0,
    Draw.BLUR: 0.0,
    Draw.ERASED: 1.0,
    # Together a weight of 1 for the image itself, whatever alpha is.
    Draw.MIX_RADIUS: 0.0,
    Draw.MIX_ANGLE: 0.0,
}


def epoch_key(seed: int | tf.Tensor, epoch: int | tf.Tensor) -> tf.Tensor:
    """The key of one epoch's table, for `draws_at`: uint64 (1,), a hash of seed and epoch."""
    pair = tf.stack([tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64)])
    return tf.raw_ops.StatelessRandomGetKeyCounter(seed=pair).key


def draws_at(
    key: tf.Tensor, first_position: int | tf.Tensor, batch_size: int | tf.Tensor
) -> tf.Tensor:
    """Rows first_position (0 or more), first_position + 1, ... of the table of uniform draws.

    A counter-based generator (Philox 4x32-10, Salmon et al., "Parallel random numbers: as easy
    as 1, 2, 3", 2011) computes any row from its number alone: a row depends neither on the batch
    that it is asked for with nor on what was asked for before. Not for use inside functions that
    XLA compiles: it puts a generator of its own in place of TensorFlow's, with other numbers.
    """
    steps_per_row = DRAWS_PER_EXAMPLE // _NUMBERS_PER_COUNTER
    first_step = tf.cast(first_position, tf.int64) * steps_per_row
    return tf.raw_ops.StatelessRandomUniformV2(
        shape=tf.stack([batch_size, DRAWS_PER_EXAMPLE]),
        key=key,
        # 128 bits, the lower 64 first.
        counter=tf.cast(tf.stack([first_step, tf.zeros_like(first_step)]), tf.uint64),
        alg=_PHILOX,
        dtype=tf.float32,
    )


def neutral(draws: tf.Tensor) -> tf.Tensor:
    """The draws that mirror the same images and change nothing else.

    They are in [0, 1], one included, since no smaller draw is sure never to erase.
    """
    columns = range(DRAWS_PER_EXAMPLE)
    kept = tf.constant([column not in _NEUTRAL for column in columns])
    values = tf.constant([_NEUTRAL.get(column, 0.0) for column in columns], tf.float32)
    return tf.where(kept, draws, values)
