"""From a config to a loop that is ready to train: model, optimizer, precision, balance."""

import functools
from collections.abc import Callable

import keras
import tensorflow as tf

from model.registry import build_model
from pipelines.augmentation.augment import augment
from pipelines.loading.decode import CHANNELS
from pipelines.tfrecords.manifest import Manifest
from trainer.averaged_weights import AveragedWeights
from trainer.class_weights import balanced_class_weights
from trainer.config import TrainConfig
from trainer.loop import Loop
from trainer.objective import Objective
from trainer.optimizer import make_optimizer
from trainer.precision import LossScale, choose_policy
from trainer.update import Update


def make_loop(
    config: TrainConfig, strategy: tf.distribute.Strategy, manifest: Manifest, steps: int
) -> Loop:
    """Makes an untrained model and what trains it; sets Keras' dtype policy and random seed.

    Args:
        config: The run's choices.
        strategy: Where the replicas are.
        manifest: Of the data: its classes and their sizes.
        steps: In an epoch, for the learning rate's schedule.
    """
    classes = len(manifest.class_names)
    policy = choose_policy(config.precision)
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(config.seed)
    with strategy.scope():
        model = _untrained_model(config, classes, strategy.num_replicas_in_sync)
        optimizer = make_optimizer(config, steps)
        optimizer.build(model.trainable_variables)
        loss_scale = LossScale() if policy == "mixed_float16" else None
    averaged = None
    if config.average_decay:
        averaged = AveragedWeights(strategy, model.trainable_variables, config.average_decay)
    balanced = config.class_weights == "balanced"
    weights = balanced_class_weights(manifest.splits["train"].class_counts) if balanced else None
    objective = Objective(
        model,
        config.batch_size,
        config.label_smoothing,
        class_weights=weights,
        augment=device_augmentation(config, classes),
        pieces=config.accumulation_steps,
    )
    update = Update(
        strategy, optimizer, model.trainable_variables, config.clip_norm, loss_scale, averaged
    )
    return Loop(strategy, model, objective, update)


def _untrained_model(config: TrainConfig, classes: int, replicas: int) -> keras.Model:
    penalised = config.l1 or config.l2
    return build_model(
        config.model,
        config.image_size,
        config.image_size,
        CHANNELS,
        classes,
        reg=keras.regularizers.L1L2(config.l1, config.l2) if penalised else None,
        init=config.init,
        choices=config.network_choices(replicas),
    )


def device_augmentation(config: TrainConfig, classes: int) -> Callable | None:
    """From (images, labels, draws) to (images, labels), where the device does that; else None."""
    if config.augment_on == "host" or config.ranges is None:
        return None
    return functools.partial(augment, augmentation=config.ranges, num_classes=classes)
