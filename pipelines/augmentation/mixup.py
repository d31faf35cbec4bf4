"""MixUp and CutMix: two neighbours of a batch become two mixtures, their labels with them."""

import math

import tensorflow as tf

from pipelines.augmentation.color import Boxes, inside, whole
from pipelines.augmentation.config import Augmentation
from pipelines.augmentation.rng import Draw
from pipelines.runtime.errors import InputError


def mix(
    images: tf.Tensor,
    labels: tf.Tensor,
    draws: tf.Tensor,
    augmentation: Augmentation,
    num_classes: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixes each example with its neighbour: 0 with 1, 2 with 3, and so on.

    MixUp (Zhang et al., arXiv:1710.09412) adds the two images with the weights λ and 1 - λ, λ
    from Beta(alpha, alpha); CutMix (Yun et al., arXiv:1905.04899) pastes a box of the area 1 - λ
    of the neighbour. With neighbours as partners, instead of a permutation of the batch, the
    result does not depend on how the examples are divided into batches of an even size. If both
    alphas are above 0, a fair draw an example decides.

    Labels are integers (batch,), in [0, num_classes), and become float32 (batch, num_classes): each
    class's share of the image, of sum 1. A batch that is known to be odd is an InputError.
    """
    batch_size, height, width = images.shape[:3]
    if batch_size is not None and batch_size % 2:
        raise InputError(
            f"received a batch of {batch_size} examples, expected an even number, since --mixup "
            "and --cutmix mix them in pairs; choose an even --batch_size a replica, or 0 for both."
        )
    weights, shares = _weights(draws, augmentation, height, width)
    mixed = images * weights + partners(images) * (1.0 - weights)
    hard = tf.one_hot(labels, num_classes, dtype=tf.float32)
    return mixed, hard * shares[:, None] + partners(hard) * (1.0 - shares[:, None])


def partners(values: tf.Tensor) -> tf.Tensor:
    """Values of the first axis, of even length, in the order 1, 0, 3, 2, 5, 4, ..."""
    pairs = tf.reshape(values, [-1, 2, *values.shape[1:]])
    return tf.reshape(tf.reverse(pairs, axis=[1]), tf.shape(values))


def beta_symmetric(radius: tf.Tensor, angle: tf.Tensor, alpha: float) -> tf.Tensor:
    """Turns two uniform draws into one of Beta(alpha, alpha), exactly.

    T = √(2a (U^(-1/a) - 1)) cos(2πV) is distributed as Student's t with 2a degrees of freedom
    (Bailey, "Polar generation of random variates with the t-distribution", 1994), and
    1/2 + T / (2 √(2a + T²)) then as Beta(a, a). With w = U^(1/a) and c = cos(2πV) the fraction is
    c √((1 - w) / (w + (1 - w) c²)), in which nothing overflows, however small `alpha` is.

    `radius` and `angle` are U and V, float64 of one shape, uniform in [0, 1), `alpha` is above 0.
    The result is float64 in [0, 1]; U = V = 0 gives 1.
    """
    w = tf.pow(radius, 1.0 / alpha)
    c = tf.cos(2.0 * math.pi * angle)
    # For a tiny alpha w is 0 in float64, and c may be.
    squared = tf.math.divide_no_nan(1.0 - w, w + (1.0 - w) * c * c)
    return tf.clip_by_value(0.5 + 0.5 * c * tf.sqrt(squared), 0.0, 1.0)


def cutmix_boxes(draws: tf.Tensor, alpha: float, height: int, width: int) -> Boxes:
    """Boxes of the area 1 - λ and the image's aspect, centred anywhere, cut at its border.

    λ is drawn from Beta(alpha, alpha), `alpha` above 0.
    """
    draws = tf.cast(draws, tf.float64)
    own = beta_symmetric(draws[:, Draw.MIX_RADIUS], draws[:, Draw.MIX_ANGLE], alpha)
    side = tf.sqrt(1.0 - own)
    tall, wide = whole(height * side), whole(width * side)
    top = whole(height * draws[:, Draw.MIX_Y]) - tall // 2
    left = whole(width * draws[:, Draw.MIX_X]) - wide // 2
    bottom, right = tf.minimum(top + tall, height), tf.minimum(left + wide, width)
    return Boxes(tf.maximum(top, 0), tf.maximum(left, 0), bottom, right)


def _weights(
    draws: tf.Tensor, augmentation: Augmentation, height: int, width: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """What is left of each example: a weight a pixel, broadcastable to images, and its share."""
    if augmentation.cutmix == 0:
        return _mixup_weights(draws, augmentation.mixup)
    if augmentation.mixup == 0:
        return _cutmix_weights(draws, augmentation.cutmix, height, width)
    is_mixup = draws[:, Draw.MIX_KIND] < 0.5
    mixup_weights, mixup_shares = _mixup_weights(draws, augmentation.mixup)
    cutmix_weights, cutmix_shares = _cutmix_weights(draws, augmentation.cutmix, height, width)
    return (
        tf.where(is_mixup[:, None, None, None], mixup_weights, cutmix_weights),
        tf.where(is_mixup, mixup_shares, cutmix_shares),
    )


def _mixup_weights(draws: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    draws = tf.cast(draws, tf.float64)
    own = beta_symmetric(draws[:, Draw.MIX_RADIUS], draws[:, Draw.MIX_ANGLE], alpha)
    shares = tf.cast(own, tf.float32)
    return shares[:, None, None, None], shares


def _cutmix_weights(
    draws: tf.Tensor, alpha: float, height: int, width: int
) -> tuple[tf.Tensor, tf.Tensor]:
    boxes = cutmix_boxes(draws, alpha, height, width)
    pasted = (boxes.bottom - boxes.top) * (boxes.right - boxes.left)
    shares = tf.cast(1.0 - tf.cast(pasted, tf.float64) / (height * width), tf.float32)
    return tf.where(inside(boxes, height, width), 0.0, 1.0), shares
