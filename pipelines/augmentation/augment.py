"""The whole augmentation of a batch, one pure function of its images, labels and draws."""

import functools
from collections.abc import Callable

import tensorflow as tf

from pipelines.augmentation.affine import affine, affine_parameters
from pipelines.augmentation.color import blur, erase, jitter_color
from pipelines.augmentation.config import Augmentation
from pipelines.augmentation.mixup import mix
from pipelines.augmentation.rng import Draw

__all__ = ["augment", "compiled_augment"]


def augment(
    images: tf.Tensor,
    labels: tf.Tensor,
    draws: tf.Tensor,
    augmentation: Augmentation,
    num_classes: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Warps, scales to [0, 1], jitters colours, blurs, erases, mixes; what is off costs nothing.

    A pure function of its arguments, in plain operations that XLA can compile. Each example
    depends on its own row of the draws alone, and in mixing on its neighbour's, so the size of
    the batch changes nothing.

    Args:
        images: uint8 of shape (batch, height, width, 3).
        labels: int64 of shape (batch,), in [0, num_classes).
        draws: float32 of shape (batch, DRAWS_PER_EXAMPLE), from `draws_at`.
        num_classes: Length of a soft label; used only where examples are mixed.

    Returns:
        float32 images of the same shape in [0, 1]; the labels, or, if `augmentation.mixes`, soft
        ones: float32 of shape (batch, num_classes), of sum 1.

    Raises:
        InputError: if examples are to be mixed and the batch is known to be odd.
    """
    for stage in _stages(augmentation, num_classes):
        images, labels = stage(images, labels, draws)
    return images, labels


@functools.cache
def compiled_augment(
    augmentation: Augmentation, num_classes: int
) -> tf.types.experimental.PolymorphicFunction:
    """`augment` for these settings, compiled by XLA for the host's processor.

    Stage by stage: a loop in which XLA has joined all of them would compute each pixel of the
    warp again wherever a later stage reads it, thirty times slower with everything on. On the
    host also where there are GPUs, since those have the training step to do. Compiled once for
    each shape of the batch.

    Returns:
        A `tf.function` of (images, labels, draws), as in `augment`.
    """
    compiled = [
        tf.function(stage, jit_compile=True, autograph=False)
        for stage in _stages(augmentation, num_classes)
    ]

    @tf.function(autograph=False)
    def on_host(
        images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.device("/device:CPU:0"):
            for stage in compiled:
                images, labels = stage(images, labels, draws)
        return images, labels

    return on_host


def _stages(augmentation: Augmentation, num_classes: int) -> list[Callable]:
    """What is on, in order; each a function of images, labels and draws."""
    changes: list[Callable] = [functools.partial(_affine_and_scale, augmentation=augmentation)]
    if augmentation.jitters_color:
        changes.append(functools.partial(jitter_color, augmentation=augmentation))
    if augmentation.blur > 0:
        changes.append(functools.partial(blur, greatest=augmentation.blur))
    if augmentation.erasing > 0:
        changes.append(functools.partial(erase, probability=augmentation.erasing))
    stages: list[Callable] = [functools.partial(_change_images, change) for change in changes]
    if augmentation.mixes:
        stages.append(functools.partial(mix, augmentation=augmentation, num_classes=num_classes))
    return stages


def _affine_and_scale(images: tf.Tensor, draws: tf.Tensor, augmentation: Augmentation) -> tf.Tensor:
    if augmentation.warps:
        height, width = images.shape[1:3]
        share = augmentation.black_fill
        black = draws[:, Draw.FILL] < share if share else None
        images = affine(images, affine_parameters(draws, augmentation, height, width), black)
    return tf.cast(images, tf.float32) * (1.0 / 255.0)


def _change_images(
    change: Callable, images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    return change(images, draws), labels
