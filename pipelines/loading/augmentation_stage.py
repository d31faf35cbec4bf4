"""The last stage of the chain: from decoded batches to what the model, or the device, takes."""

from collections.abc import Callable

import tensorflow as tf

from pipelines.augmentation.augment import compiled_augment
from pipelines.augmentation.rng import draws_at, epoch_key, neutral
from pipelines.loading.options import InputOptions
from pipelines.loading.plan import RunPlan


def augmentation_stage(plan: RunPlan) -> Callable[[dict[str, tf.Tensor]], tuple]:
    """The last stage of training: from decoded batches to what the model, or the device, takes."""
    options = plan.options
    unwarped_from = plan.epochs - options.unwarped_epochs
    augmentation = options.augmentation
    if augmentation is None:
        return lambda batch: (as_model_input(batch["image"], options), batch["label"])
    compiled = compiled_augment(augmentation, len(plan.class_counts))

    def finish(batch: dict[str, tf.Tensor]) -> tuple:
        images, labels = batch["image"], batch["label"]
        epoch = batch["epoch"][0]
        # The positions of a batch are consecutive.
        draws = draws_at(epoch_key(plan.seed, epoch), batch["position"][0], images.shape[0])
        draws = tf.where(epoch < unwarped_from, draws, neutral(draws))
        if options.augment_on == "device":
            return images, labels, draws
        images, labels = compiled(images, labels, draws)
        return _channels(images, options), labels

    return finish


def as_model_input(images: tf.Tensor, options: InputOptions) -> tf.Tensor:
    return _channels(tf.cast(images, tf.float32) / 255.0, options)


def _channels(images: tf.Tensor, options: InputOptions) -> tf.Tensor:
    return tf.transpose(images, [0, 3, 1, 2]) if options.channels_first else images
