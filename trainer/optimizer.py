"""The learning rate over the run, and Adam with it."""

import keras

from trainer.config import TrainConfig


def make_optimizer(config: TrainConfig, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Adam with the config's schedule, in steps of the optimizer.

    The tutorial's `Adam(lr, decay=lr / epochs)` divided the rate by 1 + decay * step; that is
    `schedule="inverse_time"`. Cosine: Loshchilov and Hutter, "SGDR" (arXiv:1608.03983), without
    restarts, with an optional linear warm-up before it.
    """
    return keras.optimizers.Adam(_learning_rate(config, steps_per_epoch))


def _learning_rate(config: TrainConfig, steps_per_epoch: int):
    schedules = keras.optimizers.schedules
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "inverse_time":
        decay = config.learning_rate / config.epochs if config.decay is None else config.decay
        return schedules.InverseTimeDecay(config.learning_rate, decay_steps=1, decay_rate=decay)
    total_steps = config.epochs * steps_per_epoch
    warmup_steps = min(round(config.warmup_fraction * total_steps), total_steps - 1)
    decay_steps = total_steps - warmup_steps
    if not warmup_steps:
        return schedules.CosineDecay(config.learning_rate, decay_steps)
    return schedules.CosineDecay(
        0.0, decay_steps, warmup_target=config.learning_rate, warmup_steps=warmup_steps
    )
