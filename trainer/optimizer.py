"""The learning rate over the run, and the optimizer with it."""

from typing import Any

import keras
import tensorflow as tf

from trainer.fused_adam import FusedAdam
from trainer.optimisation_config import (
    ADAMW_WEIGHT_DECAY,
    COSINE_WARMUP_FRACTION,
    SGD_MOMENTUM,
    OptimisationConfig,
)


def make_optimizer(config: OptimisationConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The config's optimizer with its schedule, in steps of the optimizer.

    The tutorial's `Adam(lr, decay=lr / epochs)` divided the rate by 1 + decay * step; that is
    `schedule="inverse_time"`. Cosine: Loshchilov and Hutter, "SGDR" (arXiv:1608.03983), without
    restarts, with an optional linear warm-up before it.
    """
    learning_rate = _learning_rate(config, config.epochs * steps_per_epoch)
    if config.optimizer == "sgd":
        momentum = SGD_MOMENTUM if config.momentum is None else config.momentum
        return keras.optimizers.SGD(
            learning_rate, float(momentum), weight_decay=config.weight_decay
        )
    if config.optimizer == "adamw":
        decay = ADAMW_WEIGHT_DECAY if config.weight_decay is None else config.weight_decay
        return FusedAdam(learning_rate, weight_decay=decay)
    return FusedAdam(learning_rate)


class WithWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that begins after a linear rise from 0 to where it begins.

    Args:
        schedule: What follows; its steps are counted from the end of the rise.
        warmup_steps: Of the rise, above 0.
    """

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule, warmup_steps: int
    ) -> None:
        super().__init__()
        self.schedule = schedule
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> tf.Tensor:
        step = tf.cast(tf.convert_to_tensor(step), tf.float32)
        after = tf.convert_to_tensor(self.schedule(tf.maximum(step - self.warmup_steps, 0.0)))
        return after * tf.minimum(step / self.warmup_steps, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"schedule": self.schedule, "warmup_steps": self.warmup_steps}


def _learning_rate(
    config: OptimisationConfig, total_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    fraction = config.warmup_fraction
    if fraction is None:
        fraction = COSINE_WARMUP_FRACTION if config.schedule == "cosine" else 0.0
    warmup_steps = min(round(fraction * total_steps), total_steps - 1)
    schedule = _schedule(config, total_steps - warmup_steps)
    return WithWarmup(schedule, warmup_steps) if warmup_steps else schedule


def _schedule(
    config: OptimisationConfig, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    schedules = keras.optimizers.schedules
    if config.schedule == "cosine":
        return schedules.CosineDecay(config.learning_rate, steps)
    decay = 0.0  # a constant rate
    if config.schedule == "inverse_time":
        decay = config.learning_rate / config.epochs if config.decay is None else config.decay
    return schedules.InverseTimeDecay(config.learning_rate, decay_steps=1, decay_rate=decay)
