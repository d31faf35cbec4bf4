"""Times everything that a run with some config would do."""

import itertools

import tensorflow as tf

from pipelines.loading.dataset import train_batches
from pipelines.loading.plan import plan_run
from pipelines.loading.service import watched
from pipelines.runtime import console
from pipelines.tfrecords.verification import damage_named
from trainer.config import TrainConfig
from trainer.feed import Feed
from trainer.inputs import checked_dataset, prepare_inputs
from trainer.loop_setup import make_loop
from trainer.precision import choose_policy
from trainer.strategy import check_batch_size, make_strategy
from trainer.timing.findings import Findings
from trainer.timing.stages import time_stages
from trainer.timing.training import time_training

_NEVER = 10**9  # epochs: the measurements end before


def run_benchmark(config: TrainConfig, seconds: float, rounds: int) -> Findings:
    """Times stages, chain, step and training.

    Args:
        config: The run's choices.
        seconds: How long each measurement takes, at the least.
        rounds: How often step and training take turns.

    Raises:
        InputError: for data, devices or options that do not fit.
    """
    dataset = checked_dataset(config)
    strategy = make_strategy(config.strategy, config.virtual_devices)
    choose_policy(config.precision)  # or its refusal, before minutes are spent
    check_batch_size(config.batch_size, strategy, config.accumulation_steps)
    inputs = prepare_inputs(config, dataset, replicas=strategy.num_replicas_in_sync)
    plan = plan_run(inputs.dataset, inputs.options, epochs=_NEVER, seed=config.seed)
    console.say(f"cache     {inputs.cache.cache}: {inputs.cache.reason}")
    with damage_named(inputs.dataset.directory):
        stages = time_stages(plan, seconds)
        endless = train_batches(inputs.dataset, inputs.options, epochs=_NEVER, seed=config.seed)
        data_dir = inputs.dataset.directory
        batches = iter(Feed(strategy, watched(endless, config.data_service, data_dir)))
        if inputs.cache.cache == "memory":
            # What is decoded once is no part of an epoch.
            next(itertools.islice(batches, plan.steps_per_epoch, None))
        loop = make_loop(config, strategy, dataset.manifest, plan.steps_per_epoch)
        training = time_training(
            loop, batches, config.batch_size, seconds, rounds, config.steps_per_call
        )
    device = "GPU" if tf.config.get_visible_devices("GPU") else "CPU"
    return Findings(stages, training, inputs.cache.cache, device)
